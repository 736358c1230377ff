// Command quadrille is the whole shop in one binary. It runs the services (up, serve),
// migrates their databases (migrate), sends orders to a running shop (traffic), checks its
// data (audit), and operates it. quadrille help lists all commands.
package main
