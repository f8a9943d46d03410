# One image, every role: the sub-command chooses (worker, gateway, up, ...).
ARG NODE_IMAGE=node:24.11.1-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json ./
# No install scripts: nothing here needs one to be built, and none runs with a network.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts ./scripts
COPY src ./src
ARG COMMIT=unknown
RUN SMB2NATS_COMMIT=${COMMIT} node scripts/build.mjs \
 && npm prune --omit=dev --ignore-scripts --no-audit --no-fund \
 && find node_modules -type d -empty -delete

FROM ${NODE_IMAGE}
# For `auth: kerberos`.
RUN apt-get update \
 && apt-get install -y --no-install-recommends libgssapi-krb5-2 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log
ENV NODE_ENV=production
WORKDIR /app
# Owned by root: the process cannot write its own code, also where the root file system is not read-only.
COPY --from=build /build/package.json ./
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
ARG COMMIT=unknown
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="smb2nats" \
      org.opencontainers.image.description="Directory changes on SMB shares, delivered over NATS and WebSocket" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}"
# A number, so that Kubernetes can tell that it is not root.
USER 65532:65532
# 8080: WebSocket gateway and live page. 9464: metrics and health.
EXPOSE 8080 9464
# Asks /readyz where the configuration says it listens. Its own deadline is 5 s.
HEALTHCHECK --interval=10s --timeout=8s --start-period=30s CMD ["node", "/app/dist/cli/main.js", "health"]
ENTRYPOINT ["node", "/app/dist/cli/main.js"]
CMD ["--help"]
