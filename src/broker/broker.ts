import { Scope } from "../base/scope.ts";
import type { ConnectOptions } from "./connect-options.ts";
import { NatsEventFeed } from "./feed.ts";
import { NatsKvBucket } from "./kv.ts";
import { NatsLink } from "./link.ts";
import { NatsKvMirror } from "./mirror.ts";
import { NatsObjectBucket } from "./objects.ts";
import type { Broker, EventPublisher, KvMirror, MirrorOptions, PublisherOptions } from "./port.ts";
import { jetStreamStore, NatsEventPublisher } from "./publisher.ts";
import type { StreamOptions } from "./stream-config.ts";
import { prepareStreams } from "./streams.ts";

export interface BrokerOptions extends ConnectOptions {
  readonly streams?: StreamOptions;
}

/**
 * Connects and prepares the streams.
 * @throws BrokerError (`BROKER_UNAVAILABLE`, `BROKER_DENIED`, `BROKER_UNSAFE_SERVER`, `BROKER_STREAM_DIFFERS`,
 * `BROKER_NO_JETSTREAM`, `BROKER_BAD_OPTIONS`), AbortedError
 */
export async function connectBroker(options: BrokerOptions): Promise<Broker> {
  const scope = new Scope();
  try {
    const link = scope.use(await NatsLink.connect(options));
    const { names, watchesNonce, differences } = await prepareStreams(link, options.streams ?? {});
    const feed = scope.use(new NatsEventFeed(link, names.events));
    return {
      link,
      watches: new NatsKvBucket(link, names.watches, watchesNonce),
      checkpoints: new NatsObjectBucket(link, names.checkpoints),
      feed,
      differences,
      mirror: (mirrorOptions: MirrorOptions = {}): KvMirror =>
        scope.use(new NatsKvMirror(link, names.watches, mirrorOptions)),
      publisher: (publisherOptions: PublisherOptions): EventPublisher =>
        scope.use(new NatsEventPublisher(jetStreamStore(link), publisherOptions)),
      close: () => scope.close(),
    };
  } catch (error) {
    await scope.close();
    throw error;
  }
}
