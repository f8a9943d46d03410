import { feedFacts, mirrorFacts, outboxFacts, publishFacts } from "../../broker/facts.ts";
import { BoundedLabel } from "../../ops/metrics/index.ts";
import { observeLink } from "./observe-link.ts";
import type { Observer } from "./observer.ts";

/** Listens to the NATS floor; returns what ends it. */
export function observeBroker(observer: Observer): (() => void)[] {
  return [
    observeLink(observer),
    observePublisher(observer),
    observeOutbox(observer),
    observeFeed(observer),
    observeMirror(observer),
  ];
}

function observePublisher({ metrics: { broker }, summary }: Observer): () => void {
  const codes = new BoundedLabel();
  return publishFacts.subscribeLater((fact) => {
    const { connection } = fact;
    if (fact.type === "failed") {
      broker.failures.inc({ connection, code: codes.of(fact.code) });
      summary.warn(
        `publish ${connection}`,
        "publish.failed",
        "an event is not stored yet; it is tried again",
        {
          connection,
          code: fact.code,
          attempts: fact.attempts,
        },
      );
      return;
    }
    broker.published.inc({ connection, type: fact.kind });
    broker.publishedChanges.inc({ connection }, fact.changes);
    broker.publishSeconds.observe({ type: fact.kind }, fact.seconds);
    if (fact.duplicate) broker.duplicates.inc({ connection });
    if (fact.attempts > 1) summary.clear(`publish ${connection}`);
  });
}

function observeOutbox({ metrics: { broker }, log, summary }: Observer): () => void {
  return outboxFacts.subscribe((fact) => {
    switch (fact.type) {
      case "overflow":
        broker.outboxOverflows.inc({ connection: fact.connection });
        broker.dropped.inc({ connection: fact.connection }, fact.dropped);
        summary.warn(
          `outbox ${fact.connection}`,
          "outbox.overflow",
          "the outbox is full: events became a resync",
          {
            connection: fact.connection,
            path: fact.path,
            dropped: fact.dropped,
          },
        );
        return;
      case "too-large":
        broker.tooLarge.inc({ connection: fact.connection });
        summary.warn(
          `large ${fact.connection}`,
          "publish.too-large",
          "an event is over the server's limit: it became a resync",
          {
            connection: fact.connection,
            path: fact.path,
          },
        );
        return;
      case "fence":
        broker.fenced.set(fact.held ? 1 : 0);
        if (fact.held) log.warn("publish.fenced", "the lease is too old to publish: events are held");
        else log.info("publish.released", "the lease is fresh again: events go on");
    }
  });
}

function observeFeed({ metrics: { broker }, log, summary }: Observer): () => void {
  return feedFacts.subscribe((fact) => {
    const { connection } = fact;
    switch (fact.type) {
      case "caught-up":
        broker.catchUps.inc({ cause: fact.cause });
        broker.catchUpSeconds.observe(fact.seconds);
        broker.replayed.inc(fact.replayed);
        summary.clear(`feed ${connection}`);
        log.debug("feed.caught-up", "read from the stream what may have been missed", {
          connection,
          cause: fact.cause,
          replayed: fact.replayed,
        });
        return;
      case "gap":
        broker.gaps.inc({ connection, reason: fact.reason });
        log.warn("feed.gap", "events are lost to this process: consumers are told to list again", {
          connection,
          reason: fact.reason,
        });
        return;
      case "unreadable":
        broker.unreadable.inc({ connection });
        summary.warn(`unreadable ${connection}`, "feed.unreadable", fact.message, {
          connection,
          subject: fact.subject,
        });
        return;
      case "failed":
        broker.feedFailures.inc({ connection });
        summary.warn(`feed ${connection}`, "feed.failed", fact.message, { connection, code: fact.code });
    }
  });
}

function observeMirror({ metrics: { broker }, log, summary }: Observer): () => void {
  return mirrorFacts.subscribe((fact) => {
    const { bucket } = fact;
    if (fact.type === "failed") {
      broker.mirrorSyncs.inc({ bucket, outcome: "failed" });
      summary.warn(`mirror ${bucket}`, "mirror.failed", fact.message, { bucket, code: fact.code });
      return;
    }
    broker.mirrorSyncs.inc({ bucket, outcome: "synced" });
    broker.mirrorKeys.set({ bucket }, fact.keys);
    broker.mirrorSeconds.observe({ bucket }, fact.seconds);
    summary.clear(`mirror ${bucket}`);
    log.debug("mirror.synced", "read the bucket anew", {
      bucket,
      cause: fact.cause,
      keys: fact.keys,
      swept: fact.swept,
    });
  });
}
