// Command quadrille is the whole shop in one binary: it runs the services
// (up, serve), prepares their databases (migrate), and drives and checks a
// running shop (traffic, audit). quadrille help says more.
package main
