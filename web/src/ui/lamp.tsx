/** A state that differs by colour, shape and word at once. */
export type Tone = 'good' | 'attention' | 'lost' | 'calm';

export const LAMP_SHAPES: Record<Tone, string> = { good: '●', attention: '▲', lost: '✕', calm: '○' };

export function Lamp(props: { tone: Tone; word: string }) {
  return (
    <span class={`lamp tone-${props.tone}`}>
      <span class="lamp-shape" aria-hidden="true">
        {LAMP_SHAPES[props.tone]}
      </span>
      {props.word}
    </span>
  );
}
