// Package browser sees the shop as people do: its pages, in a Chromium without a
// window, served by the program that people run. One browser serves all tests; each
// test has a shop of its own, and each person in it a profile of their own.
//
// Where QUADRILLE_SCREENSHOTS names a folder, pictures of all pages are left there.
package browser
