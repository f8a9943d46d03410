import { randomUUID } from "node:crypto";
import { throwIfAborted, waitFor } from "../base/async.ts";
import { DeadlineError } from "../base/errors.ts";
import { wipe } from "../crypto/wipe.ts";
import { AuthError } from "./errors.ts";
import { type GssApi, type GssInitiator, type GssRequest, systemGssapi } from "./gssapi.ts";
import { readPassword } from "./password.ts";
import type { AuthExchange, AuthProvider, AuthTarget } from "./provider.ts";
import {
  decodeNegTokenResp,
  encodeMechTypeList,
  encodeNegTokenInit,
  encodeNegTokenResp,
  MECH,
  type NegTokenResp,
} from "./spnego.ts";

export interface KerberosOptions {
  /** `user` or `user@REALM`. Default: whoever the credentials belong to. */
  readonly principal?: string | undefined;
  /** File with the principal's long-term key. Tickets are fetched and renewed in memory. */
  readonly keytab?: string | undefined;
  /** Credential cache that someone else fills, e.g. `FILE:/tmp/krb5cc_0`. */
  readonly ccache?: string | undefined;
  /** Needs `principal`. A function is asked anew for each exchange, so that secrets can be rotated. */
  readonly password?: string | (() => string) | undefined;
  /** Host part of the service principal `cifs/<host>`. Default: the server's name as configured. */
  readonly spnHost?: string | undefined;
  /** Realm of the service, and of a principal without one. Default: by krb5.conf. */
  readonly realm?: string | undefined;
  /** Longest wait for the KDC at each step, ms. Default 30,000. */
  readonly deadlineMs?: number | undefined;
  /** Unix ms. Default: the system's clock. */
  readonly now?: (() => number) | undefined;
  /** Default: the system's library, loaded at the first exchange. */
  readonly gssapi?: (() => Promise<GssApi>) | undefined;
}

const DEADLINE_MS = 30_000;

/** As with NTLM, only one mechanism is offered. */
const MECH_TYPES = [MECH.KERBEROS] as const;

/**
 * Kerberos inside SPNEGO, with mutual authentication (MS-SMB2 3.2.4.2.3), through the system's GSSAPI.
 * Without `keytab`, `ccache` and `password` the process's own default credentials are taken.
 *
 * @throws AuthError `AUTH_BAD_CREDENTIALS` for options that contradict each other
 */
export function createKerberosProvider(options: KerberosOptions = {}): AuthProvider {
  const { principal, keytab, ccache, password, realm } = options;
  if ([keytab, ccache, password].filter((source) => source !== undefined).length > 1) {
    throw new AuthError("AUTH_BAD_CREDENTIALS", "Kerberos takes one of keytab, ccache and password");
  }
  if (password !== undefined && principal === undefined) {
    throw new AuthError("AUTH_BAD_CREDENTIALS", "Kerberos with a password needs a principal");
  }
  const settings: Settings = {
    request: {
      realm,
      keytab,
      principal:
        realm === undefined || !principal || principal.includes("@") ? principal : `${principal}@${realm}`,
    },
    cache: keytab === undefined ? { name: ccache } : new OwnCache(),
    password,
    spnHost: options.spnHost,
    deadlineMs: options.deadlineMs ?? DEADLINE_MS,
    now: options.now ?? Date.now,
    gssapi: options.gssapi ?? systemGssapi,
  };
  return { mechanism: "kerberos", begin: (target) => new KerberosExchange(settings, target) };
}

/** Of its own, so that tickets from the keytab are neither mixed with the process's nor fetched for each session. */
class OwnCache {
  name = `MEMORY:smb2nats-${randomUUID()}`;

  /** What is in it has run out. For half a minute after a KDC did not answer MIT would go on using that; an empty one is filled at once. */
  leave(name: string | undefined): void {
    if (name === this.name) this.name = `MEMORY:smb2nats-${randomUUID()}`;
  }
}

interface Settings {
  readonly request: Omit<GssRequest, "host" | "password" | "ccache">;
  readonly cache: OwnCache | { readonly name: string | undefined };
  readonly password: string | (() => string) | undefined;
  readonly spnHost: string | undefined;
  readonly deadlineMs: number;
  readonly now: () => number;
  readonly gssapi: () => Promise<GssApi>;
}

/**
 * - `start`: nothing sent.
 * - `underway`: the AP-REQ is out.
 * - `complete`: the server proved itself; the session key may be used.
 * - `over`: failed or closed; native memory is freed, keys are wiped.
 */
type State = "start" | "underway" | "complete" | "over";

class KerberosExchange implements AuthExchange {
  readonly mechanism = "kerberos";
  readonly #settings: Settings;
  readonly #target: AuthTarget;
  #state: State = "start";
  #initiator: GssInitiator | undefined;
  #established = false;
  #sessionKey: Uint8Array = new Uint8Array(0);
  #expiresAt: number | undefined;
  #ccache: string | undefined;

  constructor(settings: Settings, target: AuthTarget) {
    this.#settings = settings;
    this.#target = target;
  }

  get expiresAt(): number | undefined {
    return this.#expiresAt;
  }

  async next(
    serverToken: Uint8Array | undefined,
    options: { readonly final: boolean; readonly signal?: AbortSignal | undefined },
  ): Promise<Uint8Array | undefined> {
    const token = serverToken ?? new Uint8Array(0);
    try {
      throwIfAborted(options.signal);
      switch (this.#state) {
        case "start":
          return await this.#start(token, options);
        case "underway":
          return await this.#continue(token, options);
        case "complete":
          throw unexpected("a token after the last one");
        case "over":
          throw new AuthError("AUTH_OVER", "Kerberos: this exchange is over");
      }
    } catch (error) {
      this.close();
      const { cache } = this.#settings;
      const ranOut = error instanceof AuthError && error.code === "AUTH_KERBEROS_NO_TICKET";
      if (ranOut && cache instanceof OwnCache) cache.leave(this.#ccache);
      throw error;
    }
  }

  sessionKey(): Uint8Array {
    if (this.#state !== "complete") {
      throw new AuthError("AUTH_NOT_COMPLETE", "Kerberos: there is no session key before the last token");
    }
    return Uint8Array.from(this.#sessionKey);
  }

  close(): void {
    this.#state = "over";
    wipe(this.#sessionKey);
    this.#release();
  }

  async #start(token: Uint8Array, options: NextOptions): Promise<Uint8Array> {
    if (token.length > 0 || options.final) throw unexpected("a server token before our first");
    const { gssapi, password, request, spnHost, cache } = this.#settings;
    this.#ccache = cache.name;
    const initiating = gssapi().then((api) =>
      api.initiate({
        ...request,
        ccache: cache.name,
        host: this.#target.referred === true ? this.#target.host : (spnHost ?? this.#target.host),
        password: password === undefined ? undefined : readPassword(password),
      }),
    );
    this.#initiator = await this.#wait(initiating, options, (late) => late.close());
    const apReq = await this.#step(this.#initiator, token, options);
    this.#state = "underway";
    return encodeNegTokenInit(MECH_TYPES, apReq);
  }

  async #continue(token: Uint8Array, options: NextOptions): Promise<Uint8Array | undefined> {
    const response = decodeNegTokenResp(token);
    refuseOther(response);
    const initiator = this.#initiator;
    if (initiator === undefined) throw unexpected("no context");
    const received = response.responseToken ?? new Uint8Array(0);
    let answer: Uint8Array = new Uint8Array(0);
    if (!this.#established) {
      if (received.length === 0) throw unexpected("the server did not prove its identity");
      answer = await this.#step(initiator, received, options);
    } else if (received.length > 0) {
      throw unexpected("a Kerberos token after the last one");
    }
    if (
      response.mechListMic !== undefined &&
      !(this.#established && initiator.verifyMic(mechList(), response.mechListMic))
    ) {
      throw new AuthError("AUTH_BAD_MIC", "SPNEGO: the server's mechListMIC does not verify");
    }
    if (!options.final) {
      if (response.negState === "accept-completed") throw unexpected("SPNEGO success without SMB success");
      return encodeNegTokenResp({
        negState: "accept-incomplete",
        responseToken: answer.length > 0 ? answer : undefined,
        mechListMic: this.#established ? initiator.getMic(mechList()) : undefined,
      });
    }
    if (!this.#established || answer.length > 0) throw unexpected("success before the exchange was complete");
    if (response.negState !== undefined && response.negState !== "accept-completed") {
      throw unexpected(`success with SPNEGO state ${response.negState}`);
    }
    this.#sessionKey = initiator.sessionKey();
    this.#release();
    this.#state = "complete";
    return undefined;
  }

  async #step(initiator: GssInitiator, token: Uint8Array, options: NextOptions): Promise<Uint8Array> {
    const step = await this.#wait(initiator.step(token), options, () => undefined);
    this.#established = step.complete;
    this.#expiresAt = step.lifetime === undefined ? undefined : this.#settings.now() + step.lifetime * 1000;
    return step.token;
  }

  /** A value that comes too late is handed to `discard`: native memory needs an owner. */
  async #wait<T>(promise: Promise<T>, options: NextOptions, discard: (late: T) => void): Promise<T> {
    const { deadlineMs } = this.#settings;
    try {
      const value = await waitFor(promise, {
        signal: options.signal,
        deadlineMs,
        what: "the Kerberos library",
      });
      if (this.#state === "over") throw new AuthError("AUTH_OVER", "Kerberos: closed while it waited");
      return value;
    } catch (error) {
      promise.then(discard, () => undefined);
      if (error instanceof DeadlineError) {
        throw new AuthError("AUTH_KERBEROS_UNREACHABLE", "Kerberos: no answer in time", { cause: error });
      }
      throw error;
    }
  }

  #release(): void {
    this.#initiator?.close();
    this.#initiator = undefined;
  }
}

type NextOptions = Parameters<AuthExchange["next"]>[1];

function mechList(): Uint8Array {
  return encodeMechTypeList(MECH_TYPES);
}

function refuseOther(response: NegTokenResp): void {
  const { negState, supportedMech } = response;
  if (negState === "reject") throw new AuthError("AUTH_REJECTED", "SPNEGO: the server rejects Kerberos");
  if (supportedMech !== undefined && supportedMech !== MECH.KERBEROS && supportedMech !== MECH.MS_KERBEROS) {
    throw new AuthError(
      "AUTH_MECHANISM_REFUSED",
      `SPNEGO: the server chose ${supportedMech}, which was not offered`,
    );
  }
}

function unexpected(what: string): AuthError {
  return new AuthError("AUTH_UNEXPECTED_TOKEN", `Kerberos: ${what}`);
}
