import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { connect } from "smb2nats/client";
import { Listing } from "./listing.jsx";
import { GatewayContext } from "./use-directory.js";

const params = new URLSearchParams(location.search);
const connection = params.get("connection") ?? "nas1";

/** Asked before each connection, so that it can be one that is still good. Yours asks your session. */
const token = () => sessionStorage.getItem("token") ?? "";

const client = connect("/ws", { token });

function App() {
  const [path, setPath] = useState(params.get("path") ?? "/");
  return (
    <GatewayContext.Provider value={client}>
      <button type="button" onClick={() => setPath(path.slice(0, path.lastIndexOf("/")) || "/")}>
        Up
      </button>
      <Listing connection={connection} path={path} onOpen={setPath} />
    </GatewayContext.Provider>
  );
}

createRoot(document.getElementById("root")).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
