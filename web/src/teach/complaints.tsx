/** 没听清, 看不清, 回声 on a classroom's picture: calm, and gone by itself. */
import type { Participant } from '../client/protocol.gen';
import type { Complaint, Room } from '../client/room';
import { type Key, t } from '../i18n';
import { useTick } from '../ui/use_store';

/** The last third of this time it fades. */
export const COMPLAINT_SHOWN_MS = 30_000;

const WORDS: Record<Complaint['kind'], Key> = {
  cannot_hear: 'cannotHear',
  cannot_see: 'cannotSee',
  'echo-muted': 'echoMutedBadge',
  echo: 'echoBadge',
};

export function Complaints(props: { room: Room; participant: Participant }) {
  const own = props.room.complaints.filter((c) => c.participant === props.participant.id);
  if (own.length === 0) return null;
  return <Fading complaints={own} />;
}

function Fading(props: { complaints: Room['complaints'] }) {
  useTick(1_000);
  const now = performance.now();
  const fresh = props.complaints.filter((c) => now - c.at < COMPLAINT_SHOWN_MS);
  return (
    <div class="tile-complaints" role="status">
      {fresh.map((c) => (
        <p
          key={c.kind}
          class={`tile-complaint ${now - c.at > (COMPLAINT_SHOWN_MS * 2) / 3 ? 'fading' : ''}`}
          data-testid="complaint"
          data-kind={c.kind}
        >
          ▲ {t(WORDS[c.kind])}
        </p>
      ))}
    </div>
  );
}
