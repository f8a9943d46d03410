import { createKerberosProvider } from "../../src/auth/kerberos.ts";
import type { AuthProvider } from "../../src/auth/provider.ts";
import { NtStatus, statusName } from "../../src/codec/status.ts";
import { connectionFacts, requestFacts, sessionFacts } from "../../src/smb/facts.ts";
import type { Kdc } from "../lab/kdc.ts";
import { startKerberosLab } from "../lab/kerberos.ts";
import type { Samba, SambaOptions } from "../lab/samba.ts";
import { Chance } from "./chance.ts";
import type { Journal } from "./journal.ts";

/** What became of the sessions of a run whose tickets end. */
export interface SessionCounts {
  /** Life of a ticket, s. */
  readonly ticketSeconds: number;
  /** Proved anew before the ticket's end. */
  renewed: number;
  /** Ended by the server, which answers STATUS_NETWORK_SESSION_EXPIRED from then on; and how many of them were proved anew. */
  expired: number;
  revived: number;
  /** Tries before the ticket's end that came to nothing, since the KDC was away. */
  failed: number;
}

/** A server that ends sessions with their tickets, and the account of what it did. */
export interface Tickets {
  readonly kdc: Kdc;
  readonly samba: Samba;
  readonly auth: AuthProvider;
  readonly counts: SessionCounts;
  stop(): Promise<void>;
}

const EXPIRED = statusName(NtStatus.NETWORK_SESSION_EXPIRED);
/** How long after its ticket's end smbd lets a session live, s. */
const CLOCK_SKEW = 1;

/**
 * Everything by Kerberos but the changes of the other client, with tickets so short that a run sees many end.
 * When a session ends depends on when it was made, which no seed decides.
 */
export async function startTickets(seed: number, options: SambaOptions, journal: Journal): Promise<Tickets> {
  // Of its own: with and without Kerberos, a seed makes the same changes.
  const chance = new Chance(seed ^ 0x6b7262);
  const ticketSeconds = chance.between(4, 10);
  const lab = await startKerberosLab({
    ticketSeconds,
    clockSkew: CLOCK_SKEW,
    samba: {
      ...options,
      // For smbclient, which makes changes as a client of another kind.
      global: { ...options.global, "ntlm auth": "ntlmv2-only" },
    },
  });
  const { kdc, samba, spnHost, user: principal, password } = lab;
  // The library reads the environment of this process at each use.
  Object.assign(process.env, kdc.env);
  // From a keytab it goes on with the ticket it has, with a password it asks the KDC each time.
  const how = chance.happens(0.5) ? { keytab: await kdc.keytab(principal) } : { password };
  const counts: SessionCounts = { ticketSeconds, renewed: 0, expired: 0, revived: 0, failed: 0 };
  const unfollow = follow(counts, journal);
  return {
    kdc,
    samba,
    auth: forgetful(createKerberosProvider({ principal, spnHost, ...how }), chance),
    counts,
    async stop() {
      unfollow();
      await lab.stop();
    },
  };
}

/** Every other login does not know its ticket's end: nothing is renewed in time, and the server has to say so. */
function forgetful(provider: AuthProvider, chance: Chance): AuthProvider {
  return {
    mechanism: provider.mechanism,
    begin(target) {
      const exchange = provider.begin(target);
      if (chance.happens(0.5)) Object.defineProperty(exchange, "expiresAt", { value: undefined });
      return exchange;
    },
  };
}

function follow(counts: SessionCounts, journal: Journal): () => void {
  const ended = new Set<number>();
  const stops = [
    requestFacts.subscribe(({ id, outcome }) => {
      if (outcome !== EXPIRED || ended.has(id)) return;
      ended.add(id);
      counts.expired++;
      journal.add("fault", `session expiry: connection ${id}`);
    }),
    sessionFacts.subscribe(({ id, type }) => {
      if (type === "renewal-failed") counts.failed++;
      else if (ended.delete(id)) counts.revived++;
      else counts.renewed++;
      journal.add("fact", `connection ${id}: ${type}`);
    }),
    connectionFacts.subscribe(({ id, to }) => {
      if (to === "closed") ended.delete(id);
    }),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}
