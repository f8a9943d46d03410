/** The face of `bucket`: keys by compare-and-swap, mirrored buckets, objects. */

export { NatsKvBucket } from "./kv.ts";
export { NatsKvMirror, untilConnected } from "./mirror.ts";
export { NatsObjectBucket } from "./objects.ts";
