/** Remote controls have arrows and OK only: arrows move the focus to the nearest control that way. */
export function moveByArrows(root: HTMLElement): () => void {
  const move = (event: KeyboardEvent) => {
    const direction = DIRECTIONS[event.key];
    const target = event.target;
    if (!direction || event.altKey || event.ctrlKey || event.metaKey) return;
    if (target instanceof HTMLInputElement || target instanceof HTMLSelectElement) return;
    const controls = Array.from(root.querySelectorAll<HTMLElement>('button:not(:disabled), a[href], select'));
    const visible = controls.filter(
      (c) => c.offsetParent !== null || getComputedStyle(c).position === 'fixed',
    );
    const from = document.activeElement instanceof HTMLElement ? document.activeElement : null;
    const next =
      from && visible.includes(from)
        ? nearest(from, visible, direction)
        : (visible[visible.length - 1] ?? null);
    if (!next) return;
    event.preventDefault();
    next.focus();
  };
  root.addEventListener('keydown', move);
  return () => root.removeEventListener('keydown', move);
}

type Direction = readonly [number, number];

const DIRECTIONS: Record<string, Direction> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

function nearest(from: HTMLElement, all: readonly HTMLElement[], [dx, dy]: Direction): HTMLElement | null {
  const [x, y] = centre(from);
  let best: HTMLElement | null = null;
  let bestCost = Number.POSITIVE_INFINITY;
  for (const candidate of all) {
    if (candidate === from) continue;
    const [cx, cy] = centre(candidate);
    const along = (cx - x) * dx + (cy - y) * dy;
    if (along <= 1) continue;
    // Sideways distance counts double, so that a row is walked before it is left.
    const cost = along + 2 * Math.abs((cx - x) * dy + (cy - y) * dx);
    if (cost < bestCost) [best, bestCost] = [candidate, cost];
  }
  return best;
}

function centre(element: HTMLElement): [number, number] {
  const box = element.getBoundingClientRect();
  return [box.left + box.width / 2, box.top + box.height / 2];
}
