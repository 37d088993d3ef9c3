/** The screens at which a page has stopped, shared by all pages; `null` while it has not. */
import type { LessonClient } from '../client/lesson_client';
import { t } from '../i18n';
import { StateScreen } from '../ui/state_screen';
import { useStore } from '../ui/use_store';

export function FinalScreen(props: { client: LessonClient }) {
  const state = useStore(props.client.signal.state);
  const room = useStore(props.client.room);
  const again = () => location.reload();
  if (state.phase === 'over') {
    switch (state.end.kind) {
      case 'replaced':
        return (
          <StateScreen
            title={t('replacedTitle')}
            text={t('replacedText')}
            tone="attention"
            action={t('replacedAction')}
            onAction={again}
          />
        );
      case 'kicked':
        return (
          // No way back is offered: the server keeps the page out while the lesson lasts.
          <StateScreen title={t('kickedTitle')} text={t('kickedText')} tone="attention" />
        );
      case 'left':
        return (
          <StateScreen
            title={t('leftTitle')}
            text={t('leftText')}
            action={t('leftAction')}
            onAction={again}
          />
        );
      case 'refused':
        return (
          <StateScreen
            title={t('refusedTitle')}
            text={state.end.message}
            next={state.end.hint || t('refusedNext')}
            code={state.end.code}
            tone="lost"
            action={t('retry')}
            onAction={again}
          />
        );
    }
  }
  if (state.phase === 'over' || room?.lesson.state === 'ended') {
    return (
      <StateScreen
        title={t('endedTitle')}
        text={t('endedText')}
        {...(room ? { over: room.lesson.title } : {})}
      />
    );
  }
  return null;
}
