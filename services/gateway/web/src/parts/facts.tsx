/** Names and values, side by side. */
import type { ComponentChild } from "preact";

export function Facts({ facts }: { facts: [string, ComponentChild][] }) {
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd class="figure">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
