/** Who is in one lesson: the cause in words first, then the figures. */
import type {
  LessonOverview,
  LinkCause,
  LinkChange,
  ParticipantOverview,
  ReceivedStream,
  SourceKind,
} from '../client/protocol.gen';
import { type Key, t } from '../i18n';
import { Lamp } from '../ui/lamp';
import { formatDuration } from '../ui/time';
import { participantTrouble, worstFirst } from './trouble';

const ROLES = {
  lead: 'lead',
  receiver: 'receiver',
  observer: 'observer',
  admin: 'admin',
  companion: 'companion',
} as const;
const KINDS: Record<SourceKind, Key> = {
  mic: 'kindMic',
  camera: 'kindCamera',
  content: 'kindContent',
  content_audio: 'kindContentAudio',
};
const LAYERS: readonly Key[] = ['layerLow', 'layerMid', 'layerHigh'];

const CAUSES: Record<LinkCause, Key> = {
  room: 'causeRoom',
  slow: 'causeSlow',
  loss: 'causeLoss',
  silent: 'causeSilent',
};
/** Who asks why a picture is small looks at the last minutes. */
const CHANGES = 3;
const CHANGES_SECONDS = 600;

export function ParticipantTable(props: { overview: LessonOverview }) {
  const { overview } = props;
  const entries = worstFirst(
    overview.participants,
    (p) => participantTrouble(p).weight + (p.participant.role === 'lead' ? 0.5 : 0),
    (p) => p.participant.id,
  );
  const names = new Map(overview.participants.map((p) => [p.participant.id, p.participant.name]));
  return (
    <section class="admin-detail">
      <h2>{overview.lesson.title}</h2>
      <table>
        <thead>
          <tr>
            <th>{t('colWho')}</th>
            <th>{t('colTrouble')}</th>
            <th class="number">{t('colLine')} kbit/s</th>
            <th class="number">{t('colDown')} kbit/s</th>
            <th class="number">{t('colUp')} kbit/s</th>
            <th class="number">{t('colLoss')}</th>
            <th class="number">{t('colRtt')}</th>
            <th>{t('colReceives')}</th>
            <th class="number">{t('colOnline')}</th>
          </tr>
        </thead>
        <tbody>
          {entries.map((entry) => (
            <Row key={entry.participant.id} entry={entry} names={names} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Row(props: { entry: ParticipantOverview; names: ReadonlyMap<string, string> }) {
  const { participant, link, seconds, receives, linkChanges } = props.entry;
  const trouble = participantTrouble(props.entry);
  return (
    <tr
      data-testid="participant-row"
      data-participant={participant.id}
      data-name={participant.name}
      data-role={participant.role}
    >
      <td>
        <span class="who">{participant.name}</span>
        <span class="soft role">{t(ROLES[participant.role])}</span>
      </td>
      <td>
        <Lamp tone={trouble.tone} word={t(trouble.word, trouble.values)} />
      </td>
      <td class="number">{link?.lineKbps ?? '—'}</td>
      <td class="number">{link ? link.downKbps : '—'}</td>
      <td class="number">{link ? link.upKbps : '—'}</td>
      <td class="number">{link ? `${percent(Math.max(link.lossDown, link.lossUp))}%` : '—'}</td>
      <td class="number">{link?.rttMs != null ? `${link.rttMs} ms` : '—'}</td>
      <td class="receives">
        {receives.length === 0 && '—'}
        {receives.map((stream) => (
          <p key={`${stream.from} ${stream.kind}`}>{describe(stream, props.names)}</p>
        ))}
        {recent(linkChanges).length > 0 && (
          <ul class="changes" data-testid="link-changes">
            {recent(linkChanges).map((change) => (
              <li key={`${change.kind} ${change.cause} ${change.secondsAgo}`}>{say(change)}</li>
            ))}
          </ul>
        )}
      </td>
      <td class="number">{formatDuration(seconds)}</td>
    </tr>
  );
}

function recent(changes: readonly LinkChange[]): LinkChange[] {
  return changes.filter((change) => change.secondsAgo <= CHANGES_SECONDS).slice(0, CHANGES);
}

function say({ secondsAgo, kind, layer, cause }: LinkChange): string {
  const values = { time: formatDuration(secondsAgo), kind: t(KINDS[kind]), cause: t(CAUSES[cause]) };
  if (layer === null) return t('changePaused', values);
  return t('changeLayer', { ...values, layer: layerWord(kind, layer) });
}

/** Content has one size and two qualities. */
function layerWord(kind: SourceKind, layer: number): string {
  if (kind === 'content') return t(layer === 0 ? 'layerPlain' : 'layerFull');
  return t(LAYERS[layer] ?? 'layerHigh');
}

function percent(share: number): string {
  return share === 0 ? '0' : (share * 100).toFixed(share < 0.1 ? 1 : 0);
}

function describe(stream: ReceivedStream, names: ReadonlyMap<string, string>): string {
  const layer = stream.layer === null ? t('layerWait') : layerWord(stream.kind, stream.layer);
  const from = names.get(stream.from) ?? '';
  return `${from} ${t(KINDS[stream.kind])} ${layer} ${stream.kbps}`;
}
