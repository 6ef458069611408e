ARG RUST_IMAGE=docker.io/library/rust:1.95-slim-bookworm

FROM ${RUST_IMAGE} AS build
WORKDIR /build

# Dependencies first, with empty sources in place of ours: a change to the code alone does not build
# them again.
COPY Cargo.toml Cargo.lock ./
# Static, so that the last stage needs no libc; a static binary cannot look up getrandom() by its name,
# and would need /dev/urandom without the second flag. With --target both stay away from build scripts
# and macros, which cannot be static.
ENV RUSTFLAGS='-C target-feature=+crt-static --cfg getrandom_backend="linux_getrandom"'
RUN mkdir src \
 && echo 'fn main() {}' > src/main.rs \
 && touch src/lib.rs \
 && cargo build --release --locked --target "$(rustc -vV | sed -n 's/^host: //p')" \
 && rm -r src

COPY schema.sql LICENSE-MIT LICENSE-APACHE ./
COPY licenses licenses
COPY web web
COPY src src
# cargo goes by the files' times, which may lie before those of the empty sources.
RUN touch src/main.rs src/lib.rs \
 && target=$(rustc -vV | sed -n 's/^host: //p') \
 && cargo build --release --locked --target "$target" \
 && mkdir -p out/data \
 && mv "target/$target/release/task-api" out/

FROM scratch
COPY --from=build /build/out/task-api /task-api
# A new volume takes over the owner of the folder that it covers.
COPY --from=build --chown=10001:10001 /build/out/data /data

# A number: Kubernetes cannot tell that a name is not root.
USER 10001:10001
# There is no /tmp: here SQLite sorts what memory does not hold, such as the indexes that the first start
# adds to a large database.
WORKDIR /data
VOLUME /data

# From inside a container 127.0.0.1 is nobody else's to reach.
ENV HOST=0.0.0.0 PORT=5000 DATABASE_URL=sqlite:////data/project.db
EXPOSE 5000
STOPSIGNAL SIGTERM
# The image has no shell and no curl. Bringing a large database up to date may take minutes.
HEALTHCHECK --interval=10s --timeout=5s --start-period=5m CMD ["/task-api", "healthcheck"]
ENTRYPOINT ["/task-api"]
