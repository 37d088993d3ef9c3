/**
 * What a classroom's people say by a tap, at their board or on their phone (举手, 没听清, 看不清), and the words
 * that stand for a moment when it is said, or cannot be. No markup here.
 */
import { signal } from '@preact/signals';
import type { LessonClient } from '../client/lesson_client';
import type { Trouble } from '../client/protocol.gen';
import { RequestError } from '../client/signal';
import { t } from '../i18n';

/** How soon the same complaint can be made again; the server counts no sooner. */
const COMPLAINT_MS = 5_000;

export class ClassroomVoice {
  readonly notice = signal<string | null>(null);
  /** What was just complained of: its button rests. */
  readonly complained = signal<readonly Trouble[]>([]);
  private noticeTimer: ReturnType<typeof setTimeout> | undefined;

  /** `noticeMs`: how long a notice stands, unless it needs longer. */
  constructor(
    readonly client: LessonClient,
    private readonly noticeMs: number,
  ) {}

  /** 举手, and down again by the same tap. */
  async toggleHand(): Promise<void> {
    const raised = this.client.room.get()?.floor.place != null;
    await this.attempt(raised ? this.client.lowerHand() : this.client.raiseHand());
  }

  /** 没听清, 看不清 */
  async complain(kind: Trouble): Promise<void> {
    if (this.complained.value.includes(kind)) return;
    this.complained.value = [...this.complained.value, kind];
    setTimeout(() => {
      this.complained.value = this.complained.value.filter((k) => k !== kind);
    }, COMPLAINT_MS);
    if (await this.attempt(this.client.signalTrouble(kind))) this.say(t('complaintSent'));
  }

  protected async attempt(command: Promise<void>): Promise<boolean> {
    try {
      await command;
      return true;
    } catch (error) {
      const told = error instanceof RequestError && !['timeout', 'connection_lost'].includes(error.code);
      this.say((told && error.message) || t('commandFailed'));
      return false;
    }
  }

  protected say(text: string, ms = this.noticeMs): void {
    this.notice.value = text;
    clearTimeout(this.noticeTimer);
    this.noticeTimer = setTimeout(() => {
      this.notice.value = null;
    }, ms);
  }
}
