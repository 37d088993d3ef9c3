/** A whole page that says one thing: what happened, what comes next, and at most one thing to do. */
import { LanguageSwitch } from './language_switch';

export interface StateScreenProps {
  /** Small line above the title, such as the lesson's name. */
  over?: string;
  title: string;
  text: string;
  next?: string;
  /** Small print for the IT person. */
  code?: string;
  tone?: 'calm' | 'attention' | 'lost';
  busy?: boolean;
  action?: string;
  onAction?: () => void;
}

const MARKS = { calm: '●', attention: '▲', lost: '✕' };

export function StateScreen(props: StateScreenProps) {
  const tone = props.tone ?? 'calm';
  return (
    <div class="state-screen" role="status">
      <div class="state-corner">
        <LanguageSwitch />
      </div>
      {props.over && <p class="state-over">{props.over}</p>}
      <p class={`state-mark tone-${tone} ${props.busy ? 'breathing' : ''}`} aria-hidden="true">
        {MARKS[tone]}
      </p>
      <h1>{props.title}</h1>
      <p class="state-text">{props.text}</p>
      {props.next && <p class="state-text">{props.next}</p>}
      {props.action && (
        <button type="button" class="button primary large" onClick={props.onAction}>
          {props.action}
        </button>
      )}
      {props.code && <p class="state-code">{props.code}</p>}
    </div>
  );
}
