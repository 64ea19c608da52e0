/** How Tandem looks here, who is signed in, and whether everything works. */
import { readStatus } from "../api/routes";
import { capital, formatDuration } from "../format";
import { forgetPrices } from "../live/prices";
import { useLoad, useNow } from "../load";
import { AdvisorSettings } from "../parts/advisor-settings";
import { Icon } from "../parts/icons";
import { PauseSettings } from "../parts/pause-settings";
import { Failure, Loading } from "../parts/states";
import { dropSession, type Session } from "../session";
import { type Choice, chooseTheme, themeChoice } from "../theme";

const CHOICES: Choice[] = ["system", "dark", "light"];

export function SettingsPage({ session }: { session: Session }) {
  const choice = themeChoice.use();
  const now = useNow();
  const status = useLoad("status", readStatus);
  return (
    <>
      <header class="page-head">
        <h1>Settings</h1>
      </header>
      <div class="two-columns">
        <div>
          <AdvisorSettings />
          <section class="panel" aria-label="Services">
            <header class="exchange-head">
              <h2>Services</h2>
              <span class="muted">{status.value?.api_version}</span>
            </header>
            {status.error !== null && <Failure error={status.error} retry={status.reload} />}
            {status.loading && !status.value && <Loading what="services" rows={2} />}
            <ul class="keys">
              {Object.entries(status.value?.services ?? {}).map(([name, state]) => (
                <li key={name}>
                  <b>{capital(name)}</b>
                  <span class={state === "active" ? "token good" : "token bad"}>
                    <Icon name={state === "active" ? "check" : "warning"} size={14} />
                    <span>{state}</span>
                  </span>
                </li>
              ))}
            </ul>
          </section>
        </div>
        <div>
          <PauseSettings />
          <section class="panel" aria-label="Appearance">
            <header class="exchange-head">
              <h2>Appearance</h2>
            </header>
            <div class="pad">
              <fieldset class="segments">
                <legend>Theme</legend>
                {CHOICES.map((one) => (
                  <label key={one}>
                    <input type="radio" name="theme" checked={choice === one} onChange={() => chooseTheme(one)} />
                    <span>{capital(one)}</span>
                  </label>
                ))}
              </fieldset>
            </div>
          </section>
          <section class="panel" aria-label="Session">
            <header class="exchange-head">
              <h2>Session</h2>
            </header>
            <dl class="facts pad">
              <div>
                <dt>Signed in as</dt>
                <dd>{session.userId}</dd>
              </div>
              <div>
                <dt>Role</dt>
                <dd>{session.role}</dd>
              </div>
              <div>
                <dt>Token ends in</dt>
                <dd class="figure">{formatDuration(session.expiresAt - now)}</dd>
              </div>
            </dl>
            <p class="actions pad">
              <button
                type="button"
                onClick={() => {
                  forgetPrices();
                  dropSession();
                }}
              >
                Sign out
              </button>
            </p>
          </section>
        </div>
      </div>
      <p class="caption">
        The REST door is described at <a href="/docs">/docs</a>. Charts are drawn with Lightweight Charts™, copyright ©
        TradingView, Inc.,{" "}
        <a href="https://www.tradingview.com/" rel="noreferrer">
          www.tradingview.com
        </a>
        .
      </p>
    </>
  );
}
