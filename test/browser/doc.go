// Package browser tests the pages in a headless Chromium against the real program. All
// tests share one browser. Each test has its own shop, and each user in it a separate
// browser profile.
//
// If QUADRILLE_SCREENSHOTS names a folder, TestEveryPage saves screenshots of all pages
// there.
package browser
