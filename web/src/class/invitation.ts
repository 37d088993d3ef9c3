/**
 * The code on the board that brings the assisting teacher's phone to this classroom: a link with a token
 * of the phone's own, which the server makes for the board. It is shown for a minute at a time, because
 * whoever can see the board can scan it.
 */
import { signal } from '@preact/signals';
import { readToken } from '../client/token';

export const SHOWN_MS = 60_000;

export type InvitationState =
  | { step: 'hidden' }
  | { step: 'asking' }
  | { step: 'shown'; link: string }
  | { step: 'failed' };

export class Invitation {
  readonly state = signal<InvitationState>({ step: 'hidden' });
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly token: string) {}

  async ask(): Promise<void> {
    clearTimeout(this.timer);
    this.state.value = { step: 'asking' };
    const token = await this.phoneToken();
    // Put away meanwhile.
    if (this.state.value.step !== 'asking') return;
    this.state.value = token
      ? { step: 'shown', link: `${location.origin}/phone#${token}` }
      : { step: 'failed' };
    this.timer = setTimeout(() => this.hide(), SHOWN_MS);
  }

  hide(): void {
    clearTimeout(this.timer);
    this.state.value = { step: 'hidden' };
  }

  private async phoneToken(): Promise<string | null> {
    const lesson = readToken(this.token)?.lesson ?? '';
    try {
      const answer = await fetch(`/api/v1/lessons/${encodeURIComponent(lesson)}/companion`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${this.token}` },
      });
      const { token } = (await answer.json()) as { token?: unknown };
      return answer.ok && typeof token === 'string' ? token : null;
    } catch {
      return null;
    }
  }
}
