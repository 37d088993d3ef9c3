/**
 * Remembers the chosen devices. Browsers change device ids when site data is cleared, and frozen
 * disks clear it at each boot, so the label is kept too and decides when the id is unknown.
 */
export interface Remembered {
  id: string;
  label: string;
}

const PREFIX = 'zhuandi.device.';

export function remember(kind: MediaDeviceKind, device: Remembered): void {
  try {
    localStorage.setItem(PREFIX + kind, JSON.stringify({ id: device.id, label: device.label }));
  } catch {
    // Storage may be forbidden; then the first device is used next time.
  }
}

export function recall(kind: MediaDeviceKind): Remembered | null {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(PREFIX + kind) ?? 'null');
    if (typeof value !== 'object' || value === null) return null;
    const { id, label } = value as Record<string, unknown>;
    return typeof id === 'string' && typeof label === 'string' ? { id, label } : null;
  } catch {
    return null;
  }
}

/** The device that was meant: same id, else same label; `undefined` when it is not there. */
export function choose<D extends { deviceId: string; label: string }>(
  devices: readonly D[],
  wanted: Remembered | null,
): D | undefined {
  if (!wanted) return undefined;
  return (
    devices.find((d) => d.deviceId === wanted.id) ??
    devices.find((d) => wanted.label !== '' && d.label === wanted.label)
  );
}
