/** Everything of ours is closed by now: a process usually ends by itself, long before. */
const LEFT_MS = 1_000;

/**
 * Ends a process that something keeps alive after its work is done, once its output has left. A name that is being
 * looked up cannot be called back: with mute name servers getaddrinfo(3) holds the process for up to half a minute.
 */
export function leaveWhenWritten(streams: readonly { readonly writableLength: number }[]): void {
  const look = (): void => {
    if (streams.some(({ writableLength }) => writableLength > 0)) leaveWhenWritten(streams);
    else process.exit();
  };
  setTimeout(look, LEFT_MS).unref();
}
