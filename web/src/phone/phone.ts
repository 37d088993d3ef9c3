/**
 * The assisting teacher's phone: the classroom's hand, its microphone, its complaints, and photos of its
 * pupils' work. It sends and plays no media; whatever it says of the classroom is the server's word.
 * No markup here.
 */
import { signal } from '@preact/signals';
import { preparePhoto } from '../capture/photo';
import type { LessonClient, Notice } from '../client/lesson_client';
import { findSelf } from '../client/room';
import { readToken } from '../client/token';
import { language } from '../i18n';
import { ClassroomVoice } from '../page/classroom_voice';
import { keepAwake } from '../ui/wake_lock';
import { type UploadProblem, upload } from './upload';

const NOTICE_MS = 4_000;
/** That a photo has arrived is read in a moment. */
const SENT_MS = 5_000;

export type PhotoState =
  | { step: 'none' }
  | { step: 'preparing' }
  | { step: 'sending'; preview: string; share: number }
  | { step: 'sent'; preview: string }
  | { step: 'failed'; preview: string | null; problem: UploadProblem | 'unreadable'; message: string };

export class Phone extends ClassroomVoice {
  readonly photo = signal<PhotoState>({ step: 'none' });

  private readonly lesson: string;
  private image: Blob | null = null;
  /** Ends the upload that runs. */
  private stop: AbortController | null = null;
  private photoTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    client: LessonClient,
    private readonly token: string,
  ) {
    super(client, NOTICE_MS);
    this.lesson = readToken(token)?.lesson ?? '';
    client.onNotice = (notice) => this.told(notice);
    keepAwake();
  }

  /** 说完了 */
  async endTurn(): Promise<void> {
    await this.attempt(this.client.releaseFloor());
  }

  /** 静音: of the classroom's own microphone; the board does it and says so. */
  async toggleMic(): Promise<void> {
    const room = this.client.room.get();
    const kept = room ? findSelf(room)?.state.micKept === true : false;
    await this.attempt(this.client.keepMic(!kept));
  }

  /** What the camera has made; sent at once. */
  async takePhoto(file: Blob): Promise<void> {
    this.dropPhoto();
    this.photo.value = { step: 'preparing' };
    const mine = this.photo.value;
    const image = await preparePhoto(file);
    // Put away, or another one was taken meanwhile.
    if (this.photo.value !== mine) return;
    this.image = image;
    if (image) await this.sendPhoto();
    else this.photo.value = { step: 'failed', preview: null, problem: 'unreadable', message: '' };
  }

  /** The same photo once more. */
  async sendPhoto(): Promise<void> {
    const image = this.image;
    if (!image) return;
    const before = this.photo.value;
    const preview = ('preview' in before && before.preview) || URL.createObjectURL(image);
    this.photo.value = { step: 'sending', preview, share: 0 };
    const stop = new AbortController();
    this.stop = stop;
    const result = await upload({
      signal: stop.signal,
      lesson: this.lesson,
      token: this.token,
      language: language.value,
      image,
      onProgress: (share) => {
        if (this.image === image) this.photo.value = { step: 'sending', preview, share };
      },
    });
    // Another one was taken meanwhile, or this one was put away.
    if (this.image !== image) return;
    if (!result.ok) {
      this.photo.value = { step: 'failed', preview, problem: result.problem, message: result.message };
      return;
    }
    this.photo.value = { step: 'sent', preview };
    this.photoTimer = setTimeout(() => this.dropPhoto(), SENT_MS);
  }

  dropPhoto(): void {
    clearTimeout(this.photoTimer);
    this.stop?.abort();
    const { value } = this.photo;
    if ('preview' in value && value.preview) URL.revokeObjectURL(value.preview);
    this.image = null;
    this.photo.value = { step: 'none' };
  }

  private told(notice: Notice): void {
    if (notice.kind === 'error') this.say(notice.message);
  }
}
