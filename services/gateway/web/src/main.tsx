/** Starts the dashboard. */
import { render } from "preact";
import { App } from "./app";
import "./style/base.css";
import "./style/controls.css";
import "./style/dialogs.css";
import "./style/frame.css";
import "./style/panels.css";
import "./style/narrow.css";
import "./style/operations.css";
import "./style/position.css";
import "./style/pages.css";
import "./style/lists.css";
import "./style/reconciliation.css";

const root = document.getElementById("app");
if (root) render(<App />, root);

if (import.meta.env.PROD && "serviceWorker" in navigator) {
  navigator.serviceWorker.register("/sw.js").catch(() => undefined); // Without it everything works but installing.
}
