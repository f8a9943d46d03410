import { createContext, useContext, useMemo, useSyncExternalStore } from "react";
import { mirrorStore } from "./mirror-store.js";

/** The client that `connect` of smb2nats/client returns: one for the whole page. */
export const GatewayContext = createContext(undefined);

/**
 * The entries of a directory, always as they are now: `{ ready, state, entries, error? }`.
 * @param {string} connection
 * @param {string} path
 */
export function useDirectory(connection, path) {
  const client = useContext(GatewayContext);
  const store = useMemo(() => mirrorStore(client, connection, path), [client, connection, path]);
  return useSyncExternalStore(store.subscribe, store.getSnapshot, store.getSnapshot);
}
