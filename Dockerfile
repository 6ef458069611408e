ARG RUST_IMAGE=docker.io/library/rust:1.95-slim-bookworm

FROM ${RUST_IMAGE} AS build
WORKDIR /build
# Cargo features on top of the default ones, such as `--build-arg FEATURES=postgres`.
ARG FEATURES=

# Builds the dependencies first, with empty files in place of the project's sources, so that this layer
# stays in the build cache when only the code changes.
COPY Cargo.toml Cargo.lock ./
# Cargo's settings for this project: the compile-time options of SQLite.
COPY .cargo/config.toml .cargo/
# crt-static links libc statically, so that the last stage needs none. A static binary cannot look up the
# symbol getrandom() at run time; without the second flag it would need /dev/urandom. With --target, cargo
# does not apply the flags to build scripts and procedural macros, which cannot be static.
ENV RUSTFLAGS='-C target-feature=+crt-static --cfg getrandom_backend="linux_getrandom"'
RUN mkdir src \
 && echo 'fn main() {}' > src/main.rs \
 && touch src/lib.rs \
 && cargo build --release --locked --features "$FEATURES" --target "$(rustc -vV | sed -n 's/^host: //p')" \
 && rm -r src

COPY schema.sql schema.postgres.sql LICENSE-MIT LICENSE-APACHE ./
COPY licenses licenses
COPY web web
COPY src src
# Cargo compares modification times, and those of the sources may be older than those of the empty files.
RUN touch src/main.rs src/lib.rs \
 && target=$(rustc -vV | sed -n 's/^host: //p') \
 && cargo build --release --locked --features "$FEATURES" --target "$target" \
 && mkdir -p out/data \
 && mv "target/$target/release/task-api" out/

FROM scratch
COPY --from=build /build/out/task-api /task-api
# A new volume gets the owner of the image's folder at its mount point.
COPY --from=build --chown=10001:10001 /build/out/data /data

# A numeric ID, because Kubernetes (runAsNonRoot) cannot verify that a user name is not root.
USER 10001:10001
# The image has no /tmp, so SQLite writes its temporary files to the working directory. It needs them to sort
# more than fits into memory, for example to build the indexes that the first start adds to a large database, and
# to undo a write that changes more than 120 KiB of pages.
WORKDIR /data
VOLUME /data

# All addresses: 127.0.0.1 inside a container cannot be reached from outside of it.
ENV HOST=0.0.0.0 PORT=5000 DATABASE_URL=sqlite:////data/project.db
EXPOSE 5000
STOPSIGNAL SIGTERM
# The binary checks its own health, since the image has no shell and no curl. The start period is long
# because migrating a large database may take minutes.
HEALTHCHECK --interval=10s --timeout=5s --start-period=5m CMD ["/task-api", "healthcheck"]
ENTRYPOINT ["/task-api"]
