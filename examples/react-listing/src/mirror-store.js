// A directory as a store for `useSyncExternalStore`: mirrored as long as somebody listens. Knows no React.

const NOTHING = Object.freeze({ ready: false, state: "starting", entries: Object.freeze([]) });

/** @param {import("smb2nats/client").Client} client */
export function mirrorStore(client, connection, path) {
  let view = () => NOTHING;
  return {
    subscribe(listener) {
      const mirror = client.mirror(connection, path);
      view = mirror.getSnapshot;
      const stop = mirror.subscribe(listener);
      mirror.ready.catch(({ code, message }) => {
        // Refused for good; what is told by `closed` is told to nobody.
        if (code === "closed" || view !== mirror.getSnapshot) return;
        const refused = Object.freeze({ ...NOTHING, state: code, error: message });
        view = () => refused;
        listener();
      });
      return () => {
        stop();
        void mirror.close();
      };
    },
    /** `{ ready, state, entries, error? }`, the same object until something changes. */
    getSnapshot: () => view(),
  };
}
