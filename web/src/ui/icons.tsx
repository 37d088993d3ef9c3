/** Line icons drawn for this project on a 24-unit grid; always beside a word, so hidden from readers. */
import type { ComponentChildren } from 'preact';

function Icon(props: { children: ComponentChildren }) {
  return (
    <svg
      class="icon"
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="2"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      {props.children}
    </svg>
  );
}

const SLASH = <path d="M4 4 20 20" />;

export const MicIcon = (props: { off?: boolean }) => (
  <Icon>
    <rect x="9" y="3" width="6" height="11" rx="3" />
    <path d="M5 11a7 7 0 0 0 14 0M12 18v3" />
    {props.off && SLASH}
  </Icon>
);

export const CameraIcon = (props: { off?: boolean }) => (
  <Icon>
    <rect x="3" y="6" width="12" height="12" rx="2" />
    <path d="m15 11 6-4v10l-6-4" />
    {props.off && SLASH}
  </Icon>
);

export const ScreenIcon = (props: { off?: boolean }) => (
  <Icon>
    <rect x="3" y="4" width="18" height="12" rx="2" />
    <path d="M8 20h8M12 16v4" />
    {props.off && SLASH}
  </Icon>
);

export const PeopleIcon = () => (
  <Icon>
    <circle cx="9" cy="8" r="3.5" />
    <path d="M3 20c0-3.5 2.7-6 6-6s6 2.5 6 6M16 5.2a3.5 3.5 0 0 1 0 5.6M18 14.6c1.9.8 3 2.8 3 5.4" />
  </Icon>
);

export const SoundIcon = (props: { off?: boolean }) => (
  <Icon>
    <path d="M4 10v4h4l5 4V6L8 10z" />
    {props.off ? <path d="m16 9.5 5 5m0-5-5 5" /> : <path d="M16 9a4 4 0 0 1 0 6M18.5 6a8 8 0 0 1 0 12" />}
  </Icon>
);

export const LeaveIcon = () => (
  <Icon>
    <path d="M10 4H5v16h5M14 8l4 4-4 4M18 12H9" />
  </Icon>
);

export const SelfIcon = () => (
  <Icon>
    <rect x="3" y="4" width="18" height="16" rx="2" />
    <circle cx="12" cy="10" r="2.5" />
    <path d="M7 18c.6-2.6 2.5-4 5-4s4.4 1.4 5 4" />
  </Icon>
);

export const HandIcon = () => (
  <Icon>
    <path d="M7 12V6.5a1.5 1.5 0 0 1 3 0V11M10 10.5v-6a1.5 1.5 0 0 1 3 0v6M13 10.5V6a1.5 1.5 0 0 1 3 0v6" />
    <path d="M16 11a1.5 1.5 0 0 1 3 0v3c0 4-2.6 7-6.4 7-3 0-4.6-1.3-6-3.7L4.2 13a1.5 1.5 0 0 1 2.6-1.5L8 13.6" />
  </Icon>
);

export const EarIcon = () => (
  <Icon>
    <path d="M7 17.5c1 2 3.8 2.6 5.2.6 1.3-1.8.8-3.2 2.6-4.7A6 6 0 1 0 5 8.5" />
    <path d="M8.5 9a2.5 2.5 0 1 1 4 2M4 21 20 3" />
  </Icon>
);

export const EyeIcon = () => (
  <Icon>
    <path d="M2.5 12C5 7.5 8.3 5.5 12 5.5s7 2 9.5 6.5c-2.5 4.5-5.8 6.5-9.5 6.5S5 16.5 2.5 12z" />
    <circle cx="12" cy="12" r="2.5" />
    <path d="M4 21 20 3" />
  </Icon>
);

export const PhotoIcon = () => (
  <Icon>
    <rect x="3" y="5" width="18" height="14" rx="2" />
    <circle cx="8.5" cy="10" r="1.5" />
    <path d="m4 18 5.5-5 3.5 3 3-2.5 4.5 4" />
  </Icon>
);

export const PauseIcon = (props: { on: boolean }) => (
  <Icon>{props.on ? <path d="M7 5v14l12-7z" /> : <path d="M8 5v14M16 5v14" stroke-width="3" />}</Icon>
);

export const FaceIcon = (props: { glad: boolean }) => (
  <Icon>
    <circle cx="12" cy="12" r="9" />
    <path d="M9 9.5h.01M15 9.5h.01" stroke-width="3" />
    <path d={props.glad ? 'M8 14c1 2 2.400 3 4 3s3-1 4-3' : 'M8 17c1-2 2.400-3 4-3s3 1 4 3'} />
  </Icon>
);

export const EyesIcon = () => (
  <Icon>
    <path d="M2.5 12C5 7.5 8.3 5.5 12 5.5s7 2 9.5 6.5c-2.5 4.5-5.8 6.5-9.5 6.5S5 16.5 2.5 12z" />
    <circle cx="12" cy="12" r="2.5" />
  </Icon>
);

export const MoreIcon = () => (
  <Icon>
    <path d="M5 12h.01M12 12h.01M19 12h.01" stroke-width="4" />
  </Icon>
);

export const TalkIcon = () => (
  <Icon>
    <path d="M3 5h12v8H9l-4 3v-3H3zM18 9h3v8h-2v3l-4-3h-4" />
  </Icon>
);

export const BackIcon = () => (
  <Icon>
    <path d="M10 5 3 12l7 7M3 12h18" />
  </Icon>
);

export const LeadIcon = () => (
  <Icon>
    <path d="M4 5h16v10H4zM12 15v5M8 20h8" />
    <path d="m9.5 10 2 2 4-4" />
  </Icon>
);

export const GearIcon = () => (
  <Icon>
    <path d="M4 7h9M17 7h3M4 17h3M11 17h9" />
    <circle cx="15" cy="7" r="2" />
    <circle cx="9" cy="17" r="2" />
  </Icon>
);

export const SnapIcon = () => (
  <Icon>
    <path d="M3 8h4l2-3h6l2 3h4v12H3z" />
    <circle cx="12" cy="13.5" r="3.5" />
  </Icon>
);

export const FloatIcon = () => (
  <Icon>
    <path d="M3 5h18v6M3 5v14h7" />
    <rect x="12" y="13" width="9" height="6.5" rx="1" />
  </Icon>
);

export const PhoneIcon = () => (
  <Icon>
    <rect x="7" y="2.5" width="10" height="19" rx="2" />
    <path d="M11 18.5h2" />
  </Icon>
);
