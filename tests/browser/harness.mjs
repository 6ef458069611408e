// What the browser tests stand on: a server and a database for each test, the browser, and a watch over
// everything that a page does. Nothing that a page complains about goes by unseen.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import test, { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

export const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
export const PASSWORD = 'correct horse battery';
const TEST_TIMEOUT = 60_000;
const STEP_TIMEOUT = 10_000;

/**
 * A test with a server and a database of its own. `settings` are the server's environment variables; if
 * they are null the test starts the server itself. `body` is given a World. The test fails at its end if a
 * page had a problem that was not announced.
 */
export function browserTest(name, settings, body) {
  test(name, { timeout: TEST_TIMEOUT }, async (t) => {
    const world = new World();
    // After a failure or a timeout too: no server and no page outlives its test.
    t.after(() => world.clearUp());
    try {
      if (settings) await world.start(settings);
      await body(world);
      await world.finish();
    } catch (error) {
      for (const line of world.whatIsKnown()) t.diagnostic(line);
      throw error;
    }
  });
}

// ---- the server ---------------------------------------------------------------------------------

// A path of the environment counts from the project's folder: npm runs the tests in another one.
const BINARY = resolve(PROJECT, process.env.TASK_API ?? 'target/debug/task-api');

export class Server {
  /** The first admin, whom the server makes by itself. */
  admin = { username: 'grace', email: 'grace@example.com', password: PASSWORD };
  log = '';
  #process;
  #ended;
  #signedInAdmin;

  /** Starts the program in a folder, and waits until it listens. */
  async start(folder, settings) {
    const env = {
      PORT: '0',
      DATABASE_URL: `sqlite:///${join(folder, 'project.db')}`,
      PASSWORD_ITERATIONS: '1000',
      ADMIN_USERNAME: this.admin.username,
      ADMIN_EMAIL: this.admin.email,
      ADMIN_PASSWORD: this.admin.password,
      ...settings,
    };
    this.#process = spawn(BINARY, { cwd: folder, env, stdio: ['ignore', 'ignore', 'pipe'] });
    this.#ended = new Promise((resolve, reject) => {
      this.#process.once('error', () => reject(new Error(`${BINARY} does not start: is it built?`)));
      this.#process.once('close', (code, signal) => resolve(code ?? signal));
    });
    this.#process.stderr.setEncoding('utf8').on('data', (text) => {
      this.log += text;
    });
    const listening = this.logged(/listening on (http:\S+)\n/);
    const ended = this.#ended.then((code) => {
      throw new Error(`the server ends with ${code} at its start:\n${this.log}`);
    });
    // The one that comes second is of no interest: from here on its end is stop()'s to judge.
    for (const either of [listening, ended]) either.catch(() => {});
    [, this.origin] = await Promise.race([listening, ended]);
  }

  /** Waits for a text in its log, and gives the match. */
  async logged(pattern) {
    const { stderr } = this.#process;
    let look;
    const found = new Promise((resolve) => {
      look = () => pattern.test(this.log) && resolve();
      stderr.on('data', look);
      look();
    });
    await within(`the log's ${pattern}`, found).finally(() => stderr.off('data', look));
    return pattern.exec(this.log);
  }

  /** Ends it as an operator does. */
  async stop() {
    this.#process.kill('SIGTERM');
    const code = await within('the end of the server', this.#ended);
    assert.equal(code, 0, `the server ends with ${code}:\n${this.log}`);
    assert.doesNotMatch(this.log, /^\[\S+ ERROR /m);
  }

  /** Ends it whatever it is doing. */
  kill() {
    this.#process?.kill('SIGKILL');
  }

  /** Sends a request, expects a status, and gives the JSON of the answer. */
  async call(status, method, path, { token, body } = {}) {
    const headers = {};
    if (token) headers.Authorization = `Bearer ${token}`;
    if (body) headers['Content-Type'] = 'application/json';
    const answer = await fetch(this.origin + path, {
      method,
      headers,
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(STEP_TIMEOUT),
    });
    const text = await answer.text();
    assert.equal(answer.status, status, `${method} ${path}: ${text}`);
    return text ? JSON.parse(text) : null;
  }

  /** Makes an account that waits for approval. */
  async signUp(username) {
    const account = { username, email: `${username}@example.com`, password: PASSWORD };
    const { id } = await this.call(201, 'POST', '/signup', { body: account });
    return { ...account, id };
  }

  /** The token of a new session. */
  async signIn({ email, password }) {
    return (await this.call(200, 'POST', '/login', { body: { email, password } })).token;
  }

  /** Changes an account in the admin's name: `{ role: 'manager', is_approved: true }`. */
  async change(account, change) {
    const token = await this.#adminToken();
    await this.call(200, 'PATCH', `/users/${account.id}`, { token, body: change });
  }

  /** Makes an account of a role that is approved. */
  async member(username, role = 'employee') {
    const account = await this.signUp(username);
    await this.change(account, { role, is_approved: true });
    return account;
  }

  /** Makes a task in the admin's name. */
  async task(task) {
    return this.call(201, 'POST', '/tasks', { token: await this.#adminToken(), body: task });
  }

  #adminToken() {
    this.#signedInAdmin ??= this.signIn(this.admin);
    return this.#signedInAdmin;
  }
}

async function within(what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} takes too long`)), STEP_TIMEOUT);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// ---- the browser --------------------------------------------------------------------------------

// One for all tests of a file; each page has a context of its own, as after a first start.
let browser;
after(() => browser?.then((browser) => browser.close()));

function theBrowser() {
  browser ??= chromium.launch({ executablePath: findBrowser() });
  return browser;
}

function findBrowser() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    for (const name of names) {
      const path = join(folder, name);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // The next folder may have it.
      }
    }
  }
  throw new Error('no browser: install chromium, or name one in CHROMIUM');
}

// ---- a test's world -----------------------------------------------------------------------------

export class World {
  server = new Server();
  /** Every request of every page, as "METHOD URL". */
  requests = [];
  #folder;
  #contexts = [];
  #deferred = [];
  #problems = [];
  #announced = [];
  #origins = new Set();
  #isFinished = false;

  async start(settings) {
    this.#folder = await mkdtemp(join(tmpdir(), 'task-api-'));
    await this.server.start(this.#folder, settings);
    this.allowOrigin(this.server.origin);
  }

  /** Does something when the test has ended, however it ended. */
  defer(action) {
    this.#deferred.push(action);
  }

  /** Serves a page at an origin of its own, and gives the origin. */
  async serve(html, headers = {}) {
    const server = createServer((request, response) => {
      const isPage = request.url === '/';
      response.writeHead(isPage ? 200 : 204, { 'Content-Type': 'text/html; charset=utf-8', ...headers });
      response.end(isPage ? html : '');
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.defer(() => server.close().closeAllConnections());
    const origin = `http://127.0.0.1:${server.address().port}`;
    this.allowOrigin(origin);
    return origin;
  }

  /** Says that pages may send requests there. The server's own origin is allowed from the beginning. */
  allowOrigin(origin) {
    this.#origins.add(origin);
  }

  /** Says that problems of this text will come. If none comes the test fails as well. */
  announce(pattern) {
    this.#announced.push({ pattern, came: false });
  }

  /**
   * Opens a page in a new context: no cookie and no storage of another one. `address` is a path of the
   * server, or a URL. `options` are Playwright's for a context, and `time`, at which the page's clock
   * stands still.
   */
  async open(address, { time, ...options } = {}) {
    const context = await (await theBrowser()).newContext({
      viewport: { width: 1280, height: 800 },
      deviceScaleFactor: 1,
      reducedMotion: 'reduce',
      locale: 'en-GB',
      timezoneId: 'UTC',
      ...options,
    });
    this.#contexts.push(context);
    context.setDefaultTimeout(STEP_TIMEOUT);
    await this.#watch(context);
    if (time) await context.clock.setFixedTime(time);
    const page = await context.newPage();
    await page.goto(new URL(address, this.server.origin).href);
    return page;
  }

  async #watch(context) {
    const problem = (text) => this.#problems.push(text);
    context.on('console', (message) => {
      if (!['error', 'warning', 'assert'].includes(message.type())) return;
      problem(`console ${message.type()}: ${message.text()} (${message.location().url})`);
    });
    context.on('weberror', (error) => problem(`page error: ${error.error().stack}`));
    context.on('requestfailed', (request) => {
      const why = request.failure()?.errorText;
      // What is cut off because its page is left.
      if (why !== 'net::ERR_ABORTED') problem(`request failed: ${describe(request)}: ${why}`);
    });
    context.on('request', (request) => {
      this.requests.push(describe(request));
      const url = new URL(request.url());
      const inside = ['data:', 'blob:'].includes(url.protocol);
      if (!inside && !this.#origins.has(url.origin)) problem(`foreign origin: ${describe(request)}`);
    });
    // The console tells of most violations, but not of those under "report only" or in a quiet directive.
    await context.exposeBinding('reportViolation', (_, text) => problem(`CSP violation: ${text}`));
    await context.addInitScript(() => {
      const { reportViolation } = window;
      addEventListener('securitypolicyviolation', (event) =>
        reportViolation(`${event.effectiveDirective} refuses ${event.blockedURI} ${event.sample} `
          + `(${event.sourceFile}:${event.lineNumber})`), true);
    });
  }

  /**
   * Ends everything, and fails if a page or the server did not behave. Comes by itself behind a test; a test
   * that wants to see what is left calls it before.
   */
  async finish() {
    if (this.#isFinished) return;
    this.#isFinished = true;
    // One more turn for each page, so that what it has to say has arrived.
    for (const context of this.#contexts) {
      for (const page of context.pages()) await page.evaluate(() => null);
    }
    // What is cut off by the end is no problem.
    const problems = [...this.#problems];
    for (const context of this.#contexts) await context.close();
    await this.server.stop();
    const unexpected = problems.filter((problem) => {
      const matching = this.#announced.filter(({ pattern }) => pattern.test(problem));
      for (const announced of matching) announced.came = true;
      return matching.length === 0;
    });
    assert.deepEqual(unexpected, [], 'the pages have problems');
    const missing = this.#announced.filter(({ came }) => !came).map(({ pattern }) => pattern);
    assert.deepEqual(missing, [], 'what was announced did not come');
  }

  /** What helps to understand a failure, in lines. */
  whatIsKnown() {
    const log = this.server.log.trimEnd().split('\n').slice(-20);
    return [...this.#problems, ...log.map((line) => `server: ${line}`)];
  }

  async clearUp() {
    this.server.kill();
    for (const action of this.#deferred) action();
    await Promise.allSettled(this.#contexts.map((context) => context.close()));
    if (this.#folder) await rm(this.#folder, { recursive: true, force: true });
  }

  /** Takes a picture: into docs/ if SAVE_SCREENSHOTS is 1, and else to where it goes with the test. */
  async screenshot(page, name, options = {}) {
    const save = process.env.SAVE_SCREENSHOTS === '1';
    const folder = save ? join(PROJECT, 'docs') : this.#folder;
    await mkdir(folder, { recursive: true });
    await page.evaluate(() => document.fonts.ready.then(() => null));
    await page.screenshot({ path: join(folder, `${name}.png`), animations: 'disabled', ...options });
  }
}

function describe(request) {
  return `${request.method()} ${request.url()}`;
}

// ---- accessibility ------------------------------------------------------------------------------

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/**
 * Fails where axe-core finds something. `exceptions` has a list of rules for a selector, and leaves out
 * what these rules find inside: `{ '#somebody-elses': ['color-contrast'] }`.
 */
export async function checkAccessibility(page, exceptions = {}) {
  // By the debugger and not as a <script>, which a page's policy would refuse.
  await page.evaluate(AXE);
  const found = await page.evaluate(async (exceptions) => {
    // To preload, it would put style sheets into the page, which a policy refuses as well.
    const options = { resultTypes: ['violations'], preload: false };
    const { violations } = await window.axe.run(document, options);
    const excepted = (rule, node) => Object.entries(exceptions).some(([selector, rules]) =>
      rules.includes(rule) && document.querySelector(node.target[0])?.closest(selector));
    return violations.flatMap(({ id, help, nodes }) => nodes
      .filter((node) => !excepted(id, node))
      .map((node) => `${id}: ${help}\n  at ${node.target.join(' ')}\n  ${node.html.slice(0, 200)}\n  ${
        node.failureSummary.replaceAll('\n', '\n  ')}`));
  }, exceptions);
  assert.equal(found.length, 0, `${found.length} violations of accessibility\n\n${found.join('\n\n')}`);
}
