/** The WebSocket: keeps one open for as long as there is a session, and says what came and how it stands. */
import { parseExact } from "../api/json";
import type { Push } from "../api/types";
import { currentToken, dropSession } from "../session";

const FIRST_RETRY_MILLISECONDS = 250;
const LONGEST_RETRY_MILLISECONDS = 5_000;
const PING_MILLISECONDS = 15_000;
const SILENCE_MILLISECONDS = 40_000;
const UNAUTHENTICATED = 4401;

export interface SocketListener {
  /** `again`: it was open before, so facts may have been missed in between. */
  opened(again: boolean): void;
  closed(): void;
  pushed(push: Push): void;
}

export class LiveSocket {
  private socket: WebSocket | null = null;
  private timer = 0;
  private retry = FIRST_RETRY_MILLISECONDS;
  private ended = false;
  private opened = false;
  private heard = 0;
  private sequence = 0;

  constructor(private readonly listener: SocketListener) {
    this.connect();
    this.timer = window.setInterval(() => this.watch(), PING_MILLISECONDS);
    window.addEventListener("online", this.hurry);
  }

  close(): void {
    this.ended = true;
    window.clearInterval(this.timer);
    window.removeEventListener("online", this.hurry);
    this.socket?.close();
  }

  private hurry = (): void => {
    this.retry = FIRST_RETRY_MILLISECONDS;
    if (!this.socket && !this.ended) this.connect();
  };

  private connect(): void {
    const token = currentToken();
    if (!token || this.ended) return;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const protocols = ["tandem", `tandem.jwt.${token}`];
    // With the place that it has reached, a gateway that can tells what was missed since.
    if (this.sequence > 0) protocols.push(`tandem.since.${this.sequence}`);
    const socket = new WebSocket(`${scheme}://${location.host}/ws`, protocols);
    this.socket = socket;
    socket.onmessage = (event) => {
      this.heard = Date.now();
      const push = parseExact(String(event.data)) as Push;
      if ("sequence" in push && push.sequence) this.sequence = Math.max(this.sequence, Number(push.sequence));
      if (push.type === "ready") {
        this.retry = FIRST_RETRY_MILLISECONDS;
        this.listener.opened(this.opened);
        this.opened = true;
      } else if (push.type !== "pong") {
        this.listener.pushed(push);
      }
    };
    socket.onclose = (event) => {
      if (this.socket !== socket) return;
      this.socket = null;
      if (this.ended) return;
      this.listener.closed();
      if (event.code === UNAUTHENTICATED) {
        dropSession(event.reason.includes("EXPIRED") ? "Your token has expired." : "Your token is not valid any more.");
        return;
      }
      window.setTimeout(() => !this.socket && this.connect(), this.retry * (0.75 + Math.random() / 2));
      this.retry = Math.min(this.retry * 2, LONGEST_RETRY_MILLISECONDS);
    };
  }

  /** A socket that says nothing, not even pong, is dead although nobody told us. */
  private watch(): void {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    if (Date.now() - this.heard > SILENCE_MILLISECONDS) this.socket.close();
    else this.socket.send('{"type":"ping"}');
  }
}
