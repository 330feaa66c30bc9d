// A Go service as most are written: net/http, otelhttp around the mux and the client, otlptracehttp.
//
//	GET /api/v1/checkout/{id}   asks the service at PEER_URL for /api/v1/stock/{id}
//	GET /api/v1/stock/{id}      answers
//
// Each span that ends is also printed, as "span <trace id> <span id>": what a test compares with what the
// server stored.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// printer writes the ids of each ended span to stdout.
type printer struct{}

func (printer) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (printer) OnEnd(s sdktrace.ReadOnlySpan) {
	fmt.Printf("span %s %s\n", s.SpanContext().TraceID(), s.SpanContext().SpanID())
}
func (printer) Shutdown(context.Context) error   { return nil }
func (printer) ForceFlush(context.Context) error { return nil }

// exporter takes its address from OTEL_EXPORTER_OTLP_ENDPOINT, or, as much code does, from the source: host and
// path apart.
func exporter(ctx context.Context) (sdktrace.SpanExporter, error) {
	if host := os.Getenv("OTLP_HOST"); host != "" {
		return otlptracehttp.New(ctx, otlptracehttp.WithEndpoint(host),
			otlptracehttp.WithURLPath("/otlp/v1/traces"), otlptracehttp.WithInsecure())
	}
	return otlptracehttp.New(ctx)
}

func checkout(client *http.Client, peer string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		request, err := http.NewRequestWithContext(r.Context(), "GET", peer+"/api/v1/stock/"+r.PathValue("id"), nil)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		response, err := client.Do(request)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer response.Body.Close()
		w.WriteHeader(response.StatusCode)
		io.Copy(w, response.Body)
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	out, err := exporter(ctx)
	if err != nil {
		log.Fatal(err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(out), sdktrace.WithSpanProcessor(printer{}))
	otel.SetTracerProvider(provider)
	otel.SetTextMapPropagator(propagation.TraceContext{})
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Print("otel: ", err) }))

	mux := http.NewServeMux()
	client := &http.Client{Transport: otelhttp.NewTransport(http.DefaultTransport), Timeout: 10 * time.Second}
	mux.HandleFunc("GET /api/v1/checkout/{id}", checkout(client, os.Getenv("PEER_URL")))
	mux.HandleFunc("GET /api/v1/stock/{id}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"id": %q, "left": 3}`, r.PathValue("id"))
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") })

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("Running on http://%s\n", listener.Addr())
	server := &http.Server{Handler: otelhttp.NewHandler(mux, "server")}
	go func() {
		<-ctx.Done()
		server.Shutdown(context.Background())
	}()
	server.Serve(listener)

	flush, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	provider.Shutdown(flush)
}
