/** State that lives outside of components, and the hook that shows it. */
import { useEffect, useState } from "preact/hooks";

export function useSyncExternalStore<T>(subscribe: (listener: () => void) => () => unknown, read: () => T): T {
  const [, turn] = useState(0);
  const value = read();
  // biome-ignore lint/correctness/useExhaustiveDependencies: `subscribe` and `read` are the same for a component's life
  useEffect(() => {
    let seen = value;
    const check = () => {
      const now = read();
      if (!Object.is(now, seen)) {
        seen = now;
        turn((count) => count + 1);
      }
    };
    check();
    const leave = subscribe(check);
    return () => void leave();
  }, []);
  return value;
}

/** A value that is replaced as a whole, and whoever watches it. */
export class Store<T> {
  private readonly listeners = new Set<() => void>();

  constructor(private value: T) {}

  get = (): T => this.value;

  set(next: T): void {
    if (Object.is(next, this.value)) return;
    this.value = next;
    for (const listener of [...this.listeners]) listener();
  }

  change(edit: (value: T) => T): void {
    this.set(edit(this.value));
  }

  watch = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  use(): T {
    return useSyncExternalStore(this.watch, this.get);
  }
}
