/**
 * What a token says of itself, read without checking: only to greet by name and to choose the page.
 * The server alone decides whether it is good.
 */
import type { Role } from './protocol.gen';

export interface TokenClaims {
  lesson: string;
  role: Role | null;
  name: string;
}

const ROLES: readonly Role[] = ['lead', 'receiver', 'observer', 'admin', 'companion'];

export function looksLikeToken(text: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]+$/.test(text);
}

/** `null` when the text is not a token at all. */
export function readToken(token: string): TokenClaims | null {
  if (!looksLikeToken(token)) return null;
  try {
    const payload = token.split('.')[1] ?? '';
    const binary = atob(payload.replace(/-/g, '+').replace(/_/g, '/'));
    const bytes = Uint8Array.from(binary, (c) => c.charCodeAt(0));
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof claims !== 'object' || claims === null) return null;
    const { lesson, role, name } = claims as Record<string, unknown>;
    return {
      lesson: typeof lesson === 'string' ? lesson : '',
      role: ROLES.find((r) => r === role) ?? null,
      name: typeof name === 'string' ? name : '',
    };
  } catch {
    return null;
  }
}
