import { Backoff, sleep, throwIfAborted } from "../base/async.ts";
import { Scope } from "../base/scope.ts";
import { NatsKvBucket, NatsKvMirror, NatsObjectBucket } from "./bucket/index.ts";
import { connectionFacts } from "./facts.ts";
import { NatsEventFeed } from "./feed/index.ts";
import { type ConnectOptions, NatsLink, toBrokerError } from "./link/index.ts";
import type { Broker, EventPublisher, KvMirror, MirrorOptions, PublisherOptions } from "./port.ts";
import { jetStreamStore, NatsEventPublisher } from "./publish/index.ts";
import type { StreamOptions } from "./stream-config.ts";
import { NOT_READY, type PreparedStreams, prepareStreams, StreamKeeper } from "./streams/index.ts";

export interface BrokerOptions extends ConnectOptions {
  readonly streams?: StreamOptions;
  /** Between two looks whether the streams are still there, ms. Default 30,000. */
  readonly lookMs?: number;
  /** Look for other streams that take our events, too: for who may publish them. Default false. */
  readonly lookForClash?: boolean;
}

/**
 * Connects and prepares the streams; waits, within `firstConnectMs`, for a server that is still coming up.
 * @throws BrokerError (`BROKER_UNAVAILABLE`, `BROKER_DENIED`, `BROKER_UNSAFE_SERVER`, `BROKER_STREAM_DIFFERS`,
 * `BROKER_NO_JETSTREAM`, `BROKER_BAD_OPTIONS`), AbortedError
 */
export async function connectBroker(options: BrokerOptions): Promise<Broker> {
  const scope = new Scope();
  try {
    const link = scope.use(await NatsLink.connect(options));
    const prepared = await prepareWhenReady(link, options);
    const { names, differences } = prepared;
    const feed = scope.use(new NatsEventFeed(link, names.events));
    const { streams = {}, lookMs = 30_000, lookForClash = false } = options;
    const onOthers = (): void => feed.recheck();
    const keeper = scope.use(new StreamKeeper(link, { streams, lookMs, lookForClash, onOthers }, prepared));
    return {
      link,
      watches: new NatsKvBucket(link, names.watches, () => keeper.current.watchesNonce),
      checkpoints: streams.checkpoints === false ? undefined : new NatsObjectBucket(link, names.checkpoints),
      feed,
      differences,
      mirror: (mirrorOptions: MirrorOptions = {}): KvMirror =>
        scope.use(new NatsKvMirror(link, names.watches, mirrorOptions)),
      publisher: (publisherOptions: PublisherOptions): EventPublisher =>
        scope.use(
          new NatsEventPublisher(
            jetStreamStore(link, () => keeper.current.eventsNonce),
            publisherOptions,
          ),
        ),
      close: () => scope.close(),
    };
  } catch (error) {
    await scope.close();
    throw error;
  }
}

/** A server that has just started, or a cluster that elects, accepts connections before it serves JetStream. */
async function prepareWhenReady(link: NatsLink, options: BrokerOptions): Promise<PreparedStreams> {
  const { signal, firstConnectMs = Number.POSITIVE_INFINITY } = options;
  const backoff = new Backoff({ initialMs: 200, maxMs: 2_000 });
  const deadline = performance.now() + firstConnectMs;
  for (;;) {
    throwIfAborted(signal);
    try {
      return await prepareStreams(link, options.streams ?? {});
    } catch (error) {
      const failure = toBrokerError(error, "prepare streams");
      const wait = backoff.next();
      if (!NOT_READY.has(failure.code) || performance.now() + wait > deadline) throw failure;
      connectionFacts.publish({ type: "error", code: failure.code, message: failure.message });
      await sleep(wait, { signal });
    }
  }
}
