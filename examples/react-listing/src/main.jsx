import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { connect } from "smb2nats/client";
import { Listing } from "./listing.jsx";
import { GatewayContext } from "./use-directory.js";

// A function, so that each reconnect asks for a token that is still good.
const token = async () => (await fetch("/my-session/token")).text();
const client = connect("wss://gateway.example.org/ws", { token });

function App() {
  const [path, setPath] = useState("/");
  return (
    <GatewayContext.Provider value={client}>
      <button type="button" onClick={() => setPath(path.slice(0, path.lastIndexOf("/")) || "/")}>
        Up
      </button>
      <Listing connection="nas1" path={path} onOpen={setPath} />
    </GatewayContext.Provider>
  );
}

createRoot(document.getElementById("root")).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
