import type { HandleServices, HandleSpec } from "./handle-port.ts";
import { takesSecondLook } from "./second-look.ts";
import type { Tended } from "./upkeep.ts";

const NEVER = Number.POSITIVE_INFINITY;
/** What is due within so long is done together, and leaves together: by itself each costs three times the processor time. */
const TOGETHER_MS = 1_000;

export interface ChoresOwner {
  /** The server may have been deaf at first, and nobody has looked since. */
  lookDue: boolean;
  readonly identity: { ask(): boolean };
  /** The turn of a health check has come. */
  check(): void;
  renew(): unknown;
  compare(): void;
  lookAgain(): void;
}

/** What a live handle has to do from time to time, and when. The first time of each is spread over one period. */
export class Chores implements Tended {
  slot = -1;
  dueAt: number = NEVER;
  readonly #owner: ChoresOwner;
  readonly #spec: HandleSpec;
  readonly #services: HandleServices;
  #checkAt: number;
  /** When the check has its turn that has been asked for. */
  #turnAt = NEVER;
  #renewAt: number;
  #compareAt: number;
  #lookAt = NEVER;
  /** The second look has been given its turn. */
  #lookPaced = false;
  #stopped = false;

  constructor(spec: HandleSpec, services: HandleServices, owner: ChoresOwner) {
    this.#owner = owner;
    this.#spec = spec;
    this.#services = services;
    const { clock, random, source, options } = services;
    const now = clock.monotonic();
    const first = (ms: number): number => {
      const spread = 0.5 + random() / 2;
      return ms > 0 ? now + ms * spread : NEVER;
    };
    this.#checkAt = first(options.healthSeconds * 1_000);
    this.#renewAt = first(options.refreshMinutes * 60_000);
    this.#compareAt = first(spec.rescanMinutes * 60_000);
    owner.lookDue = takesSecondLook(source);
    if (owner.lookDue) this.#lookAt = now + (source.traits.settleScanMs ?? 0) * (1 + random());
    this.#put();
  }

  /** A check, as soon as it is its turn. */
  check(): void {
    if (this.#stopped || !this.#owner.identity.ask()) return;
    const { checks, clock } = this.#services;
    const ms = checks.reserve();
    if (ms <= 0) {
      this.#owner.check();
      return;
    }
    this.#turnAt = clock.monotonic() + ms;
    this.#put();
  }

  stop(): void {
    this.#stopped = true;
    this.#services.upkeep.remove(this);
  }

  tend(): void {
    const { clock, options } = this.#services;
    const now = clock.monotonic();
    const turnDue = this.#turnAt <= now;
    const checkDue = this.#turnAt === NEVER && this.#checkAt <= now;
    const renewDue = this.#renewAt <= now;
    const compareDue = this.#compareAt <= now;
    if (turnDue) this.#turnAt = NEVER;
    if ((checkDue || turnDue) && this.#checkAt !== NEVER) {
      this.#checkAt = now + options.healthSeconds * 1_000;
    }
    if (renewDue) this.#renewAt = now + options.refreshMinutes * 60_000;
    if (compareDue) this.#compareAt = now + this.#spec.rescanMinutes * 60_000;
    const lookDue = this.#lookAt <= now && this.#isLooksTurn(now);
    this.#put();
    if (turnDue) this.#owner.check();
    if (checkDue) this.check();
    if (renewDue && !this.#stopped) this.#owner.renew();
    if (compareDue && !this.#stopped) this.#owner.compare();
    if (lookDue && !this.#stopped) this.#owner.lookAgain();
  }

  #isLooksTurn(now: number): boolean {
    const ms = this.#lookPaced ? 0 : this.#services.looks.reserve();
    this.#lookPaced = true;
    this.#lookAt = ms > 0 ? now + ms : NEVER;
    return ms <= 0;
  }

  #put(): void {
    this.#services.upkeep.remove(this);
    // While a check waits for its turn, which among thousands takes half an hour, no other is asked for.
    const checkAt = this.#turnAt === NEVER ? this.#checkAt : this.#turnAt;
    const { healthSeconds, refreshMinutes } = this.#services.options;
    this.dueAt = Math.min(
      together(checkAt, healthSeconds * 1_000),
      together(this.#renewAt, refreshMinutes * 60_000),
      together(this.#compareAt, this.#spec.rescanMinutes * 60_000),
      this.#lookAt,
    );
    this.#services.upkeep.put(this);
  }
}

/** Later by less than a sixtieth of the period. */
function together(at: number, periodMs: number): number {
  if (at === NEVER) return NEVER;
  const grain = Math.max(1, Math.min(TOGETHER_MS, periodMs / 60));
  return Math.ceil(at / grain) * grain;
}
