/** What the classrooms see now; with content on, the lead's own picture stands small in a corner. */
import type { ComponentChildren } from 'preact';
import { t } from '../i18n';
import { TrackVideo } from '../ui/track_video';
import { useStore } from '../ui/use_store';
import type { Teaching } from './teaching';

export function LiveStage(props: { teaching: Teaching; children: ComponentChildren }) {
  const { teaching } = props;
  const camera = useStore(teaching.camera.state);
  const content = teaching.content.value;
  const showing = content ? 'content' : camera.track ? 'lead' : 'none';
  const caption = t('stageShowing', { what: content ? t('stageContent') : t('stageLead') });
  return (
    <section class="live-stage" data-testid="stage" data-showing={showing} aria-label={caption}>
      {content && (
        <TrackVideo key="content" track={content.video} class="stage-picture" testId="own-content" />
      )}
      {camera.track && (
        <TrackVideo
          key="camera"
          track={camera.track}
          class={content ? 'stage-self' : 'stage-picture'}
          testId="self-video"
        />
      )}
      {showing === 'none' ? (
        <div class="stage-nothing">
          <p class="stage-nothing-title">{t('stageNothing')}</p>
          <p>{t('stageNothingFix')}</p>
        </div>
      ) : (
        <p class="stage-caption">{caption}</p>
      )}
      {props.children}
    </section>
  );
}
