/**
 * Exact decimals for money that has to be added or multiplied for display. A decimal is its text, as the API wrote it;
 * no step goes through a float.
 */
export type Decimal = string;

interface Parts {
  units: bigint;
  places: number;
}

const SHAPE = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

function parse(value: Decimal): Parts {
  const match = SHAPE.exec(value);
  if (!match) throw new RangeError(`not a decimal: ${value}`);
  const [, sign = "", whole = "0", fraction = "", exponent = "0"] = match;
  let units = BigInt(`${sign}${whole}${fraction}`);
  let places = fraction.length - Number(exponent);
  if (places < 0) {
    units *= 10n ** BigInt(-places);
    places = 0;
  }
  return { units, places };
}

function write({ units, places }: Parts): Decimal {
  const negative = units < 0n;
  const digits = (negative ? -units : units).toString().padStart(places + 1, "0");
  const whole = digits.slice(0, digits.length - places);
  const fraction = digits.slice(digits.length - places).replace(/0+$/, "");
  const text = fraction ? `${whole}.${fraction}` : whole;
  return negative && text !== "0" ? `-${text}` : text;
}

function align(a: Parts, b: Parts): [bigint, bigint, number] {
  const places = Math.max(a.places, b.places);
  return [a.units * 10n ** BigInt(places - a.places), b.units * 10n ** BigInt(places - b.places), places];
}

/** Whether a text is a plain decimal, as a person types one. */
export function isDecimal(text: string): boolean {
  return /^-?\d+(\.\d+)?$/.test(text);
}

export function add(a: Decimal, b: Decimal): Decimal {
  const [x, y, places] = align(parse(a), parse(b));
  return write({ units: x + y, places });
}

export function subtract(a: Decimal, b: Decimal): Decimal {
  const [x, y, places] = align(parse(a), parse(b));
  return write({ units: x - y, places });
}

export function multiply(a: Decimal, b: Decimal): Decimal {
  const [x, y] = [parse(a), parse(b)];
  return write({ units: x.units * y.units, places: x.places + y.places });
}

/** The quotient with so many places, halves rounded away from zero; null where it is divided by zero. */
export function divide(a: Decimal, b: Decimal, places: number): Decimal | null {
  const [x, y] = align(parse(a), parse(b));
  if (y === 0n) return null;
  const negative = x < 0n !== y < 0n;
  const [over, under] = [x < 0n ? -x : x, y < 0n ? -y : y];
  const units = (over * 10n ** BigInt(places) * 2n + under) / (under * 2n);
  return write({ units: negative ? -units : units, places });
}

/** The decimal with at most so many places; what is beyond them is cut off. */
export function cut(a: Decimal, places: number): Decimal {
  const { units, places: has } = parse(a);
  return has <= places ? write({ units, places: has }) : write({ units: units / 10n ** BigInt(has - places), places });
}

/** How many places a decimal has, as it is written. */
export function placesOf(a: Decimal): number {
  return Math.max(0, parse(a).places);
}

export function negate(a: Decimal): Decimal {
  const { units, places } = parse(a);
  return write({ units: -units, places });
}

export function compare(a: Decimal, b: Decimal): number {
  const [x, y] = align(parse(a), parse(b));
  return x < y ? -1 : x > y ? 1 : 0;
}

export function sign(a: Decimal): -1 | 0 | 1 {
  const { units } = parse(a);
  return units < 0n ? -1 : units > 0n ? 1 : 0;
}

export function absolute(a: Decimal): Decimal {
  return a.startsWith("-") ? a.slice(1) : a;
}

export function sum(values: Iterable<Decimal>): Decimal {
  let total: Decimal = "0";
  for (const value of values) total = add(total, value);
  return total;
}

/** The decimal with exactly so many places, halves rounded away from zero. */
export function fixed(a: Decimal, places: number): Decimal {
  const { units, places: has } = parse(a);
  const negative = units < 0n;
  let digits = negative ? -units : units;
  if (has > places) {
    const cut = 10n ** BigInt(has - places);
    digits = (digits + cut / 2n) / cut;
  } else {
    digits *= 10n ** BigInt(places - has);
  }
  const text = digits.toString().padStart(places + 1, "0");
  const whole = text.slice(0, text.length - places);
  const shown = places ? `${whole}.${text.slice(text.length - places)}` : whole;
  return negative && digits !== 0n ? `-${shown}` : shown;
}
