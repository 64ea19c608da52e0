/** The door. */
import { useState } from "preact/hooks";
import { readDemoToken } from "../api/routes";
import { useLoad } from "../load";
import { Logo } from "../parts/icons";
import { lastFarewell, readToken, signIn } from "../session";

export function SignInPage() {
  const demo = useLoad("demo", readDemoToken);
  const [text, setText] = useState("");
  const [error, setError] = useState<string | null>(lastFarewell());

  const enter = (token: string) => {
    const session = readToken(token);
    if (!session) return setError("This is not a token. `make -s token` prints one.");
    if (session.expiresAt <= Date.now()) return setError("This token has expired. `make -s token` prints a new one.");
    signIn(session);
  };

  return (
    <main class="sign-in" id="main">
      <div class="card">
        <h1>
          <Logo /> Tandem
        </h1>
        <p class="lead">What your exchanges hold now, and what happened: in step.</p>
        {demo.value && (
          <button type="button" class="primary wide" onClick={() => demo.value && enter(demo.value)}>
            Continue as the demo trader
          </button>
        )}
        {demo.value && <p class="or">or</p>}
        <form
          class="form"
          onSubmit={(event) => {
            event.preventDefault();
            enter(text);
          }}
        >
          <label>
            Access token
            <textarea
              rows={3}
              value={text}
              onInput={(event) => setText(event.currentTarget.value)}
              placeholder="eyJhbGciOi…"
              autocomplete="off"
              spellcheck={false}
              required
            />
          </label>
          {error && (
            <p class="says bad" role="alert">
              {error}
            </p>
          )}
          <button type="submit" class={demo.value ? "wide" : "primary wide"} disabled={text.trim() === ""}>
            Sign in
          </button>
        </form>
        <p class="caption">
          On this machine, <code>make -s token</code> prints one. It is kept in this tab only, and forgotten when the
          tab is closed.
        </p>
      </div>
    </main>
  );
}
