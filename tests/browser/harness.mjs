// The harness of the browser tests: for each test a server with its own database, browser pages, and a
// monitor that collects every problem of a page: console errors and warnings, exceptions, failed requests,
// requests to other origins and violations of the Content-Security-Policy. A test fails if a page has a
// problem that it does not expect.

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
// Three times as long as the longest test on a slow machine.
const TEST_TIMEOUT = 180_000;
export const STEP_TIMEOUT = 30_000;

/**
 * Defines a test with its own server and database. `settings` are environment variables of the server; with
 * null the test starts the server itself. `body` gets a TestEnvironment. After it the test fails if a page
 * had an unexpected problem.
 */
export function browserTest(name, settings, body) {
  test(name, { timeout: TEST_TIMEOUT }, async (t) => {
    const env = new TestEnvironment();
    // Also runs after a failure or a timeout, so that no server and no page outlives its test.
    t.after(() => env.cleanUp());
    try {
      if (settings) await env.start(settings);
      await body(env);
      await env.finish();
    } catch (error) {
      for (const line of env.diagnostics()) t.diagnostic(line);
      throw error;
    }
  });
}

// ---- server -------------------------------------------------------------------------------------

// TASK_API is relative to the project's folder, not to the working directory in which npm runs the tests.
const BINARY = resolve(PROJECT, process.env.TASK_API ?? 'target/debug/task-api');

class Server {
  /** The first admin. The server creates it from its settings. */
  admin = { username: 'grace', email: 'grace@example.com', password: PASSWORD };
  log = '';
  #process;
  #exit;
  #adminToken;

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
    this.#exit = new Promise((resolve, reject) => {
      this.#process.once('error', () => reject(new Error(`${BINARY} does not start: is it built?`)));
      this.#process.once('close', (code, signal) => resolve(code ?? signal));
    });
    this.#process.stderr.setEncoding('utf8').on('data', (text) => {
      this.log += text;
    });
    const listening = this.waitForLog(/listening on (http:\S+)\n/);
    const exited = this.#exit.then((code) => {
      throw new Error(`the server exits with ${code} during its start:\n${this.log}`);
    });
    // The promise that loses the race must not become an unhandled rejection. stop() checks later exits.
    for (const promise of [listening, exited]) promise.catch(() => {});
    [, this.origin] = await Promise.race([listening, exited]);
  }

  /** Waits until the log matches, and returns the match. */
  async waitForLog(pattern) {
    const { stderr } = this.#process;
    let check;
    const found = new Promise((resolve) => {
      check = () => pattern.test(this.log) && resolve();
      stderr.on('data', check);
      check();
    });
    await withTimeout(`waiting for ${pattern} in the log`, found).finally(() => stderr.off('data', check));
    return pattern.exec(this.log);
  }

  /** Stops the server with SIGTERM. Fails unless it exits with 0 and has logged no error. */
  async stop() {
    this.#process.kill('SIGTERM');
    const code = await withTimeout('stopping the server', this.#exit);
    assert.equal(code, 0, `the server exits with ${code}:\n${this.log}`);
    assert.doesNotMatch(this.log, /^\[\S+ ERROR /m);
  }

  /** Kills the server in whatever state it is. */
  kill() {
    this.#process?.kill('SIGKILL');
  }

  /** Sends a request, asserts the status of the response, and returns its JSON. */
  async request(status, method, path, { token, body } = {}) {
    const headers = {};
    if (token) headers.Authorization = `Bearer ${token}`;
    if (body) headers['Content-Type'] = 'application/json';
    const response = await fetch(this.origin + path, {
      method,
      headers,
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(STEP_TIMEOUT),
    });
    const text = await response.text();
    assert.equal(response.status, status, `${method} ${path}: ${text}`);
    return text ? JSON.parse(text) : null;
  }

  /** Creates an account that waits for approval. */
  async signUp(username) {
    const account = { username, email: `${username}@example.com`, password: PASSWORD };
    const { id } = await this.request(201, 'POST', '/signup', { body: account });
    return { ...account, id };
  }

  /** Starts a session and returns its access token. */
  async signIn({ email, password }) {
    return (await this.request(200, 'POST', '/login', { body: { email, password } })).token;
  }

  /** Changes an account as the admin: `{ role: 'manager', is_approved: true }`. */
  async updateUser(account, changes) {
    const token = await this.#signInAdmin();
    await this.request(200, 'PATCH', `/users/${account.id}`, { token, body: changes });
  }

  /** Creates an approved account with a role. */
  async createUser(username, role = 'employee') {
    const account = await this.signUp(username);
    await this.updateUser(account, { role, is_approved: true });
    return account;
  }

  /** Creates a task as the admin. */
  async createTask(task) {
    return this.request(201, 'POST', '/tasks', { token: await this.#signInAdmin(), body: task });
  }

  #signInAdmin() {
    this.#adminToken ??= this.signIn(this.admin);
    return this.#adminToken;
  }
}

async function withTimeout(description, promise) {
  let timer;
  const timeout = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${description} takes too long`)), STEP_TIMEOUT);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

// ---- browser ------------------------------------------------------------------------------------

// One browser process for all tests of a file, and one more for each other font size, which is a setting of the browser.
// Each page has a new context, without cookies and storage.
const browsers = new Map();
after(() => Promise.all([...browsers.values()].map(async (browser) => (await browser).close())));

function getBrowser(fontSize) {
  if (!browsers.has(fontSize)) {
    const args = [`--blink-settings=defaultFontSize=${fontSize}`];
    browsers.set(fontSize, chromium.launch({ executablePath: findBrowser(), args }));
  }
  return browsers.get(fontSize);
}

function findBrowser() {
  return process.env.CHROMIUM
    ?? findProgram(['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'], 'CHROMIUM');
}

/** The path of the first program in PATH that has one of these names. `setting` is the variable that names another. */
export function findProgram(names, setting) {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    for (const name of names) {
      const path = join(folder, name);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // Try the next one.
      }
    }
  }
  throw new Error(`${names[0]} not found: install it, or set ${setting} to its path`);
}

// ---- test environment ---------------------------------------------------------------------------

/**
 * Runs in a page before its scripts. Keeps its announcements for the step `waitForAnnouncement`: they follow each other
 * quickly, and only the last one stays in the page.
 */
export function recordAnnouncements() {
  window.announcements = [];
  new MutationObserver((records) => {
    const isText = ({ target, addedNodes }) => target.id === 'announcer' && addedNodes.length > 0;
    window.announcements.push(...records.filter(isText).map(({ addedNodes }) => addedNodes[0].data));
  }).observe(document, { subtree: true, childList: true });
}

class TestEnvironment {
  server = new Server();
  /** Every request of every page, as "METHOD URL". */
  requests = [];
  /** The temporary folder of the server. It has the database file `project.db`, unless the engine is PostgreSQL. */
  folder;
  #contexts = [];
  #cleanups = [];
  #problems = [];
  #expectedProblems = [];
  #allowedOrigins = new Set();
  #isFinished = false;

  async start(settings) {
    this.folder = await mkdtemp(join(tmpdir(), 'task-api-'));
    await this.server.start(this.folder, settings);
    this.allowOrigin(this.server.origin);
  }

  /** Runs `action` after the test, whether it passes or fails. */
  onCleanUp(action) {
    this.#cleanups.push(action);
  }

  /** Serves an HTML page at another origin, and returns that origin. */
  async servePage(html, headers = {}) {
    const server = createServer((request, response) => {
      const isPage = request.url === '/';
      response.writeHead(isPage ? 200 : 204, { 'Content-Type': 'text/html; charset=utf-8', ...headers });
      response.end(isPage ? html : '');
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.onCleanUp(() => server.close().closeAllConnections());
    const origin = `http://127.0.0.1:${server.address().port}`;
    this.allowOrigin(origin);
    return origin;
  }

  /** Lets pages send requests to this origin. The server's own origin is always allowed. */
  allowOrigin(origin) {
    this.#allowedOrigins.add(origin);
  }

  /** Expects problems with a text that matches. The test also fails if none of them occurs. */
  expectProblem(pattern) {
    this.#expectedProblems.push({ pattern, occurred: false });
  }

  /** Allows problems with a text that matches, which depend on chance. */
  allowProblem(pattern) {
    this.#expectedProblems.push({ pattern, occurred: true });
  }

  /**
   * Opens a page in a new browser context, without the cookies and storage of other pages. `address` is a
   * path of the server or a URL. `options` are Playwright's options of a context, `time`, a fixed time
   * for the page's clock, and `fontSize`, the browser's setting in pixels.
   */
  async openPage(address, { time, fontSize = 16, ...options } = {}) {
    const context = await (await getBrowser(fontSize)).newContext({
      viewport: { width: 1280, height: 800 },
      deviceScaleFactor: 1,
      reducedMotion: 'reduce',
      locale: 'en-GB',
      timezoneId: 'UTC',
      ...options,
    });
    context.setDefaultTimeout(STEP_TIMEOUT);
    this.watch(context);
    // The console shows most violations, but not those of "report only" or of directives that do not log.
    await context.exposeBinding('reportViolation', (_, text) => this.#problems.push(`CSP violation: ${text}`));
    await context.addInitScript(() => {
      const { reportViolation } = window;
      addEventListener('securitypolicyviolation', (event) =>
        reportViolation(`${event.effectiveDirective} refuses ${event.blockedURI} ${event.sample} `
          + `(${event.sourceFile}:${event.lineNumber})`), true);
    });
    await context.addInitScript(recordAnnouncements);
    if (time) await context.clock.setFixedTime(time);
    const page = await context.newPage();
    await page.goto(new URL(address, this.server.origin).href);
    return page;
  }

  /**
   * Collects the problems of all pages of a Playwright context, and closes it after the test. Other tests call it with a
   * Puppeteer context and `emitter`, its page, which has the events.
   */
  watch(context, emitter = context) {
    this.#contexts.push(context);
    const addProblem = (text) => this.#problems.push(text);
    emitter.on('console', (message) => {
      if (!['error', 'warning', 'warn', 'assert'].includes(message.type())) return;
      addProblem(`console ${message.type()}: ${message.text()} (${message.location()?.url})`);
    });
    // Playwright's name, and Puppeteer's.
    emitter.on('weberror', (error) => addProblem(`page error: ${error.error().stack}`));
    emitter.on('pageerror', (error) => addProblem(`page error: ${error.stack || error.message}`));
    emitter.on('requestfailed', (request) => {
      const reason = request.failure()?.errorText;
      // Leaving a page aborts its open requests. That is no problem.
      if (!ABORTED.includes(reason)) addProblem(`request failed: ${describe(request)}: ${reason}`);
    });
    emitter.on('request', (request) => {
      this.requests.push(describe(request));
      const url = new URL(request.url());
      const isLocal = ['data:', 'blob:'].includes(url.protocol);
      if (!isLocal && !this.#allowedOrigins.has(url.origin)) addProblem(`foreign origin: ${describe(request)}`);
    });
  }

  /**
   * Closes the pages, stops the server, and fails if there were unexpected problems or if an expected one
   * did not occur. Runs automatically after each test. A test that checks the state afterwards calls it
   * before.
   */
  async finish() {
    if (this.#isFinished) return;
    this.#isFinished = true;
    // A round trip to each page, so that the events that it has sent already have arrived.
    for (const context of this.#contexts) {
      for (const page of await context.pages()) await page.evaluate(() => null);
    }
    // Copied before the pages are closed, because closing them makes open requests fail.
    const problems = [...this.#problems];
    for (const context of this.#contexts) await context.close();
    await this.server.stop();
    const unexpected = problems.filter((problem) => {
      const matching = this.#expectedProblems.filter(({ pattern }) => pattern.test(problem));
      for (const expected of matching) expected.occurred = true;
      return matching.length === 0;
    });
    assert.deepEqual(unexpected, [], 'the pages have unexpected problems');
    const missing = this.#expectedProblems.filter(({ occurred }) => !occurred).map(({ pattern }) => pattern);
    assert.deepEqual(missing, [], 'an expected problem did not occur');
  }

  /** Lines that help to understand a failure: the problems of the pages, and the end of the server's log. */
  diagnostics() {
    const log = this.server.log.trimEnd().split('\n').slice(-20);
    return [...this.#problems, ...log.map((line) => `server: ${line}`)];
  }

  async cleanUp() {
    this.server.kill();
    for (const action of this.#cleanups) action();
    await Promise.allSettled(this.#contexts.map((context) => context.close()));
    if (this.folder) await rm(this.folder, { recursive: true, force: true });
  }

  /** Takes a screenshot: with SAVE_SCREENSHOTS=1 into docs/, else into the test's temporary folder. */
  async screenshot(page, name, options = {}) {
    const save = process.env.SAVE_SCREENSHOTS === '1';
    const folder = save ? join(PROJECT, 'docs') : this.folder;
    await mkdir(folder, { recursive: true });
    await page.evaluate(() => document.fonts.ready.then(() => null));
    await page.screenshot({ path: join(folder, `${name}.png`), animations: 'disabled', ...options });
  }
}

/** What Chromium and Firefox call a request that was given up because its page is left. */
const ABORTED = ['net::ERR_ABORTED', 'NS_BINDING_ABORTED'];

function describe(request) {
  return `${request.method()} ${request.url()}`;
}

// ---- accessibility ------------------------------------------------------------------------------

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/**
 * Fails if axe-core finds violations of accessibility rules. `exceptions` maps a selector to the rules that
 * are ignored inside it: `{ '#third-party-widget': ['color-contrast'] }`.
 */
export async function checkAccessibility(page, exceptions = {}) {
  // evaluate() uses the debugger protocol. The page's policy would refuse a <script> element.
  await page.evaluate(AXE);
  // axe-core measures the contrast of the moment, which is too low in the middle of a transition of colours.
  await page.waitForFunction(() => document.getAnimations().every((animation) =>
    animation.playState !== 'running' || animation.effect.getComputedTiming().endTime === Infinity));
  const found = await page.evaluate(async (exceptions) => {
    // `preload` would insert style sheets, which the policy refuses as well.
    const options = { resultTypes: ['violations'], preload: false };
    const { violations } = await window.axe.run(document, options);
    const isException = (rule, node) => Object.entries(exceptions).some(([selector, rules]) =>
      rules.includes(rule) && document.querySelector(node.target[0])?.closest(selector));
    return violations.flatMap(({ id, help, nodes }) => nodes
      .filter((node) => !isException(id, node))
      .map((node) => `${id}: ${help}\n  at ${node.target.join(' ')}\n  ${node.html.slice(0, 200)}\n  ${
        node.failureSummary.replaceAll('\n', '\n  ')}`));
  }, exceptions);
  assert.equal(found.length, 0, `${found.length} accessibility violations\n\n${found.join('\n\n')}`);
}
