// The browser and the system that a `User-Agent` header names, in words for people.

/** The first pattern that matches decides: most browsers also name those that they descend from. */
const BROWSERS = [
  [/\bEdg(e|A|iOS)?\//, 'Edge'], [/\bOPR\//, 'Opera'], [/\bSamsungBrowser\//, 'Samsung Internet'],
  [/\b(Firefox|FxiOS)\//, 'Firefox'], [/\b(Headless)?(Chrome|CriOS)\//, 'Chrome'], [/\bSafari\//, 'Safari'],
];
const SYSTEMS = [
  [/\bAndroid\b/, 'Android'], [/\biPhone\b/, 'iPhone'], [/\biPad\b/, 'iPad'], [/\bWindows\b/, 'Windows'],
  [/\bMac OS X\b/, 'macOS'], [/\bCrOS\b/, 'ChromeOS'], [/\bLinux\b/, 'Linux'],
];

const nameIn = (names, userAgent) => names.find(([pattern]) => pattern.test(userAgent))?.[1];

/** Returns a text such as `Firefox on Windows`. A program that is no browser is named as it names itself. */
export function describeUserAgent(userAgent) {
  if (!userAgent) return 'Unknown program';
  const browser = nameIn(BROWSERS, userAgent);
  const system = nameIn(SYSTEMS, userAgent);
  if (!browser) return userAgent.split(' ')[0].slice(0, 60);
  return system ? `${browser} on ${system}` : browser;
}
