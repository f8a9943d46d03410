import { SmbSecurityError } from "../errors.ts";
import { poolFacts } from "../facts.ts";
import type { ConnectionOptions } from "../options.ts";

/** Repeats what failed because the server cannot answer compounds; from then on none are sent. */
export class CompoundRetry {
  readonly #options: Pick<ConnectionOptions, "label" | "compounding">;

  constructor(options: Pick<ConnectionOptions, "label" | "compounding">) {
    this.#options = options;
  }

  /** Whether that is what an error says. What one connection finds out holds for all of its pool. */
  explains(error: unknown): boolean {
    if (!(error instanceof SmbSecurityError) || !error.compound) return false;
    const { label, compounding } = this.#options;
    if (compounding?.allowed === true) poolFacts.publish({ connection: label, type: "no-compounds", error });
    compounding?.broke();
    return true;
  }

  /** @param reconnected waits for another connection: the one on which that was seen is no more */
  async run<T>(attempt: () => Promise<T>, reconnected: () => Promise<void>): Promise<T> {
    const before = this.#options.compounding?.allowed === true;
    try {
      return await attempt();
    } catch (error) {
      if (!before || !this.explains(error)) throw error;
      await reconnected();
      return await attempt();
    }
  }
}
