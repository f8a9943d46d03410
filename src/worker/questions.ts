import type { Clock } from "../base/clock.ts";
import { Scope } from "../base/scope.ts";
import type { BrokerLink, KvBucket } from "../broker/port.ts";
import { activityEndpoint, type WatchActivity } from "../fleet/activity.ts";
import { ControlService } from "../fleet/control.ts";
import type { WatchKey } from "../fleet/identity.ts";
import type { WatchTarget } from "../fleet/port.ts";
import { ProcessService } from "../fleet/process-service.ts";
import { snapshotEndpoint } from "../fleet/snapshot.ts";
import { toldListEndpoint } from "../fleet/told-list.ts";
import type { FleetView } from "../fleet/view.ts";
import { listDirectory, statDirectories } from "./list.ts";
import { ListDesk } from "./list-desk.ts";
import type { LocalWatch } from "./local-watch.ts";
import type { ConnectionRuntime } from "./runtime.ts";
import { SnapshotDesk } from "./snapshots.ts";

export interface QuestionsOptions {
  readonly link: BrokerLink;
  readonly bucket: KvBucket;
  readonly view: FleetView;
  readonly version: string;
  /** Ours; `undefined` while there is none. */
  readonly lease: () => string | undefined;
  /** Whether nobody else may speak for our watches: see `Lease.mayPublish`. */
  readonly mayPublish: () => boolean;
  readonly connections: () => ReadonlyMap<string, ConnectionRuntime>;
  readonly local: (key: WatchKey) => LocalWatch | undefined;
  /** Has somebody watch it. */
  readonly hold: (target: WatchTarget) => () => void;
  readonly activity: () => WatchActivity[];
  readonly clock: Clock;
}

/** What a worker is asked: the control API, which any of them answers, and what this one alone can tell. */
export class Questions {
  readonly #scope = new Scope();
  readonly #control: ControlService;
  readonly #own: ProcessService;
  readonly #lease: () => string | undefined;

  constructor(options: QuestionsOptions) {
    const { link, bucket, view, version, connections, clock } = options;
    this.#lease = options.lease;
    const snapshots = this.#scope.use(new SnapshotDesk(options));
    const lists = this.#scope.use(
      new ListDesk({ ...options, list: (request, wait) => listDirectory(connections(), request, wait) }),
    );
    this.#control = this.#scope.use(
      new ControlService({
        link,
        bucket,
        view,
        version,
        list: (request, wait) => lists.answer(request, wait),
        stat: (request, wait) => statDirectories(connections(), request, { ...wait, clock }),
        snapshot: (...question) => snapshots.answer(...question),
      }),
    );
    this.#own = this.#scope.use(
      new ProcessService({
        link,
        version,
        endpoints: (lease) => [
          activityEndpoint(link, lease, options.activity),
          snapshotEndpoint(link, lease, (...question) => snapshots.answerOwn(...question)),
          toldListEndpoint(link, lease, (...question) => lists.answerOwn(...question)),
        ],
      }),
    );
  }

  /** Resolves when requests can reach us. */
  async start(): Promise<void> {
    await this.#control.start();
    this.follow(this.#lease());
  }

  /** Our lease from now on; `undefined` while there is none. */
  follow(lease: string | undefined): void {
    this.#own.follow(lease);
  }

  close(): Promise<void> {
    return this.#scope.close();
  }
}
