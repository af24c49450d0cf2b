// frames is an API server that puts a controller's cache under load: it lists and watches synthetic pods and
// small objects of many kinds, changes them at full speed or paced, cuts its connections, and notes when the
// client's writes arrive. It is no API server for anything else: selectors are not looked at, nothing is checked.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"flag"
	"fmt"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

func main() {
	dir := flag.String("dir", ".", "folder for kubeconfig, and for control, the URL of POST /bench/storm and the like")
	pods := flag.Int("pods", 10000, "pods, 50 of a Deployment")
	kinds := flag.Int("kinds", 100, "kinds of small objects, bench.moonlet.dev/v1 Thing000 and so on")
	things := flag.Int("things", 20, "objects of each of these kinds")
	seed := flag.Uint64("seed", 1, "of the pods' names, addresses and the like")
	flag.Bool("protobuf", true, "accepted, for other frame servers have it: this one speaks it to who asks for it")
	flag.Parse()

	s := newServer(newWorld(*seed, *pods, *kinds, *things))
	api := must(net.Listen("tcp", "127.0.0.1:0"))
	control := must(net.Listen("tcp", "127.0.0.1:0"))
	certificate := selfSigned()
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})
	write(*dir, "kubeconfig", fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: bench, cluster: {server: "https://%s", certificate-authority-data: %s}}]
users: [{name: bench, user: {token: bench}}]
contexts: [{name: bench, context: {cluster: bench, user: bench}}]
current-context: bench
`, api.Addr(), base64.StdEncoding.EncodeToString(authority)))
	write(*dir, "control", "http://"+control.Addr().String()) // last: whoever waits for it may begin
	go func() { log.Fatal(http.Serve(control, s.control())) }()
	front := http.Server{Handler: s, ConnState: s.conns.note, ErrorLog: log.New(os.Stderr, "", 0),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}}}
	log.Fatal(front.ServeTLS(api, "", ""))
}

// write puts a whole file into its place.
func write(dir, name, text string) {
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		log.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		log.Fatal(err)
	}
}

func selfSigned() tls.Certificate {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	certificate := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "frames"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 0, 7), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	return tls.Certificate{Certificate: [][]byte{must(x509.CreateCertificate(rand.Reader, certificate, certificate, &key.PublicKey, key))},
		PrivateKey: key}
}
