package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"moonlet.dev/e2e/harness"
)

// authority is a CA of somebody else's.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	PEM  []byte
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, _ := x509.ParseCertificate(der)
	return &authority{t, cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// issue makes a certificate for 127.0.0.1, of servers or of clients.
func (a *authority) issue(name string, usage x509.ExtKeyUsage) (cert, key []byte) {
	a.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &private.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, _ := x509.MarshalPKCS8PrivateKey(private)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

// serving is the folder of a certificate for servers, as cert-manager projects it.
func (a *authority) serving(name string, bundle ...*authority) harness.Files {
	cert, key := a.issue(name, x509.ExtKeyUsageServerAuth)
	var trusted []byte
	for _, one := range append([]*authority{a}, bundle...) {
		trusted = append(trusted, one.PEM...)
	}
	return harness.Files{"tls.crt": string(cert), "tls.key": string(key), "ca.crt": string(trusted)}
}

// presented is the common name of the certificate that is met at address.
func presented(address string) (string, error) {
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName, nil
}

func TestACertificateFolderIsFollowedWhileRunning(t *testing.T) {
	env := harness.New(t)
	dir, address := t.TempDir(), harness.FreeAddress(t)
	first, second := newAuthority(t, "first"), newAuthority(t, "second")
	harness.Project(t, dir, first.serving("one"))
	m := serve(env, harness.Files{"life.lua": marker("life", "1", "")}, "--webhook-cert-dir="+dir, "--webhook-bind-address="+address)
	eventually(t, "1", marking(env, "life"))
	tr := drive(t, 2, marking(env, "life"))
	meet := func(name string) {
		t.Helper()
		eventually(t, name, func() (string, error) { return presented(address) })
		tr.more(20)
		tr.none("with the certificate " + name)
	}
	meet("one")
	broken := first.serving("torn")
	broken["tls.key"] = first.serving("other")["tls.key"]
	harness.Project(t, dir, broken)
	m.EventuallyLogs("--webhook-cert-dir: the private key is not the certificate's")
	meet("one")
	broken = first.serving("torn")
	broken["ca.crt"] = ""
	harness.Project(t, dir, broken)
	m.EventuallyLogs("ca.crt: there is no certificate")
	meet("one")
	harness.Project(t, dir, first.serving("two", second)) // a rotation of the CA: trusted first, then used
	meet("two")
	harness.Eventually(t, "the new CA is trusted", func() error {
		config, err := mutating(env, "life")
		if err == nil && !strings.Contains(string(config.Webhooks[0].ClientConfig.CABundle), string(second.PEM)) {
			err = fmt.Errorf("it is not")
		}
		return err
	})
	harness.Project(t, dir, second.serving("three", first))
	meet("three")
}

func TestAHostWithoutItsCertificatesWaitsForThem(t *testing.T) {
	env := harness.New(t)
	dir := t.TempDir()
	unregister(env)
	m := env.Start(harness.Connection{}, harness.Files{"life.lua": here(env, marker("life", "1", ""))},
		hooked("--webhook-cert-dir="+dir)...)
	m.EventuallyLogs("tls.crt: No such file or directory")
	if _, err := mutating(env, "life"); err == nil {
		t.Fatal("registered without a certificate")
	}
	harness.Project(t, dir, newAuthority(t, "late").serving("late"))
	eventually(t, "1", marking(env, "life"))
	m.WaitReady()
}

func TestCallersNeedACertificateOfTheClientCA(t *testing.T) {
	env := harness.New(t)
	callers, others, address := newAuthority(t, "callers"), newAuthority(t, "others"), harness.FreeAddress(t)
	file := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(file, callers.PEM, 0o644); err != nil {
		t.Fatal(err)
	}
	serve(env, harness.Files{"life.lua": marker("life", "1", "")}, "--webhook-client-ca="+file, "--webhook-bind-address="+address)
	harness.Eventually(t, "the API server, which has none, is turned away", func() error {
		if _, err := marking(env, "life")(); err == nil {
			return fmt.Errorf("it is not")
		}
		return nil
	})
	for _, one := range []struct {
		of *authority
		ok bool
	}{{callers, true}, {others, false}, {nil, false}} {
		config := &tls.Config{InsecureSkipVerify: true}
		if one.of != nil {
			pair, err := tls.X509KeyPair(one.of.issue("caller", x509.ExtKeyUsageClientAuth))
			if err != nil {
				t.Fatal(err)
			}
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
		}
		client := http.Client{Transport: &http.Transport{TLSClientConfig: config}}
		res, err := client.Post("https://"+address+"/mutate/life", "application/json", strings.NewReader("{}"))
		client.CloseIdleConnections()
		if ok := err == nil && res.StatusCode == 400; ok != one.ok {
			t.Errorf("%v: %v %v", one, res, err)
		}
		if err == nil {
			res.Body.Close()
		}
	}
}

func TestTheSecretOfSomebodyElseIsLeftAlone(t *testing.T) {
	env := harness.New(t)
	env.Apply("apiVersion: v1\nkind: Secret\nmetadata: {name: webhook}\nstringData: {password: x}\n")
	unregister(env)
	m := env.Start(harness.Connection{}, harness.Files{"life.lua": here(env, marker("life", "1", ""))},
		hooked("--webhook-secret="+env.NS+"/webhook")...)
	m.EventuallyLogs("Secret " + env.NS + "/webhook")
	secret := get(t, env, "v1", "Secret", "webhook")
	if data := secret.Object["data"].(map[string]any); len(data) != 1 {
		t.Fatalf("written: %v", data)
	}
	env.Delete("v1", "Secret", "webhook")
	eventually(t, "1", marking(env, "life"))
	m.WaitReady()
}
