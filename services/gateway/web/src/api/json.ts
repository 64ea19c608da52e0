/**
 * JSON whose numbers stay as they are written: every number becomes its text, so that no price or amount ever passes
 * through a float. Counters are turned into numbers where they are read.
 */
const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

export function parseExact(text: string): unknown {
  return JSON.parse(text.replace(TOKENS, (token) => (token.startsWith('"') ? token : `"${token}"`)));
}

/** A decimal that has to be written into a body as a JSON number, digit by digit. */
export class Figure {
  constructor(readonly text: string) {
    if (!/^-?(0|[1-9]\d*)(\.\d+)?$/.test(text)) throw new RangeError(`not a JSON number: ${text}`);
  }
}

export type Value = string | boolean | null | Figure | { [name: string]: Value };

/** A body with its figures as they were typed. */
export function writeExact(value: Value): string {
  if (value instanceof Figure) return value.text;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const fields = Object.entries(value).map(([name, held]) => `${JSON.stringify(name)}:${writeExact(held)}`);
  return `{${fields.join(",")}}`;
}
