# syntax=docker/dockerfile:1
# Any image with Node 20.19 or newer and npm will do. docs/operations.md says how to pin a digest.
ARG NODE_IMAGE=node:24.21.0-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json bundle.mjs ./
COPY src ./src
RUN npm run build

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --omit=dev --omit=optional --no-audit --no-fund

# One tree with the modes it needs, whatever the umask of the checkout was.
FROM ${NODE_IMAGE} AS tree
WORKDIR /tree/app
COPY --from=dependencies /build/node_modules ./node_modules
COPY --from=build /build/dist/cli.js ./dist/cli.js
COPY package.json LICENSE ./
COPY migrations ./migrations
COPY demo ./demo
RUN chmod -R a+rX,go-w /tree/app && mkdir -m 0700 /tree/data && chown 65532:65532 /tree/data

FROM ${NODE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="customer-permissions" \
      org.opencontainers.image.description="Partner Center's customer permissions, self-hosted" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The service needs no package manager, and whoever breaks into it should not find one.
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /usr/local/bin/yarn* /opt/yarn*
COPY --from=tree /tree /
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    PORT=3000 \
    METRICS_HOST=0.0.0.0 \
    METRICS_PORT=9464 \
    DATA_DIR=/data
WORKDIR /app
# A number, so that an orchestrator can see that it is not root. It needs no entry in /etc/passwd.
USER 65532:65532
EXPOSE 3000 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/livez`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/cli.js"]
CMD ["serve"]
