/** The head of the administrators' pages, and what others see of them. */
import { Link } from "../router";
import type { Session } from "../session";
import { Empty } from "./states";

const PAGES: [string, string][] = [
  ["/admin", "Overview"],
  ["/admin/reconciliation", "Reconciliation"],
];

export function AdminHead({ at }: { at: string }) {
  return (
    <header class="page-head">
      <h1>Admin</h1>
      <nav class="segments" aria-label="Administration">
        {PAGES.map(([to, name]) => (
          <Link key={to} to={to} current={to === at}>
            {name}
          </Link>
        ))}
      </nav>
    </header>
  );
}

export function ForAdministrators({ session }: { session: Session }) {
  return (
    <Empty icon="admin" title="For administrators">
      <p>
        Your token's role is “{session.role}”. Sign in with one of an administrator: on this machine,{" "}
        <code>make -s token ROLE=admin</code> prints one.
      </p>
    </Empty>
  );
}
