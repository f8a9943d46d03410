import { ignoreRejection } from "../base/async.ts";
import type { BrokerLink } from "../broker/port.ts";
import { type Endpoint, MicroService } from "./service.ts";

/** What one process of the fleet is asked, and no other can answer. */
export function processSubject(
  { subjects }: Pick<BrokerLink, "subjects">,
  kind: "worker" | "gateway",
  lease: string,
  verb: string,
): string {
  return subjects.control(`${kind}.${lease}.${verb}`);
}

export interface ProcessServiceOptions {
  readonly link: BrokerLink;
  readonly version: string;
  readonly endpoints: (lease: string) => readonly Endpoint[];
}

/**
 * Answers questions to one process, which are addressed to its lease: another lease, other subjects. Not part of the
 * discovery of micro services, where any instance will do.
 */
export class ProcessService {
  readonly #options: ProcessServiceOptions;
  #lease: string | undefined;
  #service: MicroService | undefined;
  #closed = false;

  constructor(options: ProcessServiceOptions) {
    this.#options = options;
  }

  /** Our lease from now on; `undefined` while there is none. An account without the right to listen stays silent. */
  follow(lease: string | undefined): void {
    if (this.#closed || lease === this.#lease) return;
    this.#lease = lease;
    void this.#service?.close();
    this.#service = undefined;
    if (lease === undefined) return;
    const { link, version, endpoints } = this.#options;
    this.#service = new MicroService({
      link,
      name: "smb2nats-process",
      version,
      description: "Questions to one process",
      endpoints: endpoints(lease),
      shared: false,
    });
    ignoreRejection(this.#service.start());
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#service?.close();
  }
}
