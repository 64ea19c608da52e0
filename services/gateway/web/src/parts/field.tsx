/** A labelled control, with what is wrong with it said right below. */
import type { ComponentChildren } from "preact";

interface Props {
  /** Of the control that it holds. */
  id: string;
  label: ComponentChildren;
  hint?: ComponentChildren;
  error?: string | null | undefined;
  children: ComponentChildren;
}

export function Field({ id, label, hint, error, children }: Props) {
  return (
    <div class="field">
      <label for={id}>
        {label}
        {hint && <span class="muted"> {hint}</span>}
      </label>
      {children}
      {error && (
        <p id={`${id}-says`} class="says bad">
          {error}
        </p>
      )}
    </div>
  );
}

/** What a control of a field says of itself to those who do not see the line below it. */
export const faultOf = (id: string, error: string | null | undefined) => ({
  id,
  "aria-invalid": error ? ("true" as const) : undefined,
  "aria-describedby": error ? `${id}-says` : undefined,
});

interface TextProps extends Omit<Props, "children"> {
  value: string;
  onInput: (event: Event) => void;
  /** The id of a datalist. */
  list?: string;
  maxLength?: number;
  placeholder?: string;
  class?: string;
  inputMode?: "decimal" | "numeric";
  autocapitalize?: "characters";
}

/** A field that is typed; nothing that a browser remembers or corrects. */
export function TextField({ id, label, hint, error, ...input }: TextProps) {
  return (
    <Field id={id} label={label} hint={hint} error={error}>
      <input type="text" {...faultOf(id, error)} autocomplete="off" spellcheck={false} {...input} />
    </Field>
  );
}
