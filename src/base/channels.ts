import diagnostics from "node:diagnostics_channel";

/**
 * A named stream of facts. Protocol floors publish; only the service turns facts into log lines
 * and metrics. Publishing with no subscriber costs one property read.
 */
export interface Channel<T> {
  readonly name: string;
  publish(fact: T): void;
  /** Returns the unsubscribe function. */
  subscribe(listener: (fact: T) => void): () => void;
}

/** `name` appears on the wire of `node:diagnostics_channel` as `smb2nats:<name>`. */
export function channel<T>(name: string): Channel<T> {
  const inner = diagnostics.channel(`smb2nats:${name}`);
  return {
    name: `smb2nats:${name}`,
    publish(fact) {
      if (inner.hasSubscribers) inner.publish(fact);
    },
    subscribe(listener) {
      const handler = (message: unknown): void => listener(message as T);
      diagnostics.subscribe(`smb2nats:${name}`, handler);
      return () => {
        diagnostics.unsubscribe(`smb2nats:${name}`, handler);
      };
    },
  };
}
