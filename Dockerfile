# The image is the bundle and Node.js: no shell, no package manager. Node.js 26 is the current LTS line.
FROM node:26-trixie-slim AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN npm run build

FROM gcr.io/distroless/nodejs26-debian13
ENV NODE_ENV=production
COPY --from=build /src/package.json /src/LICENSE* /opt/auditship/
COPY --from=build /src/dist /opt/auditship/dist
COPY --from=build /src/config /opt/auditship/config
# kube-apiserver writes its audit log as root, mode 0600, so the agent has to be uid 0 to read it. It needs nothing else that
# makes root special: daemonset/base drops every capability but DAC_READ_SEARCH and makes the root file system read-only.
USER 0:0
EXPOSE 9110
ENTRYPOINT ["/nodejs/bin/node", "/opt/auditship/dist/auditship.js"]
CMD ["run", "-c", "/etc/auditship/config/auditship.yaml"]
