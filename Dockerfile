# A static binary in a small image with a shell and Git, for CI and for the runner.
#
#   docker build --build-arg BEADLE_COMMIT="$(git rev-parse HEAD)" -t registry.example.com/beadle:0.1.0 .
FROM rust:1.95-alpine AS build
RUN apk add --no-cache gcc musl-dev
WORKDIR /src
COPY . .
# The checkout is not in here, so the commit is told.
ARG BEADLE_COMMIT=
ARG SOURCE_DATE_EPOCH=
RUN cargo build --locked --profile dist --bin beadle && cp target/dist/beadle /beadle && /beadle version

FROM alpine:3.22
RUN apk add --no-cache git && adduser -D -H -u 10001 beadle
COPY --from=build /beadle /usr/local/bin/beadle
# By number, so that Kubernetes can tell that it is not root.
USER 10001:10001
WORKDIR /project
ENTRYPOINT ["beadle"]
CMD ["--help"]
