# zeroboot on Nomad, with the docker driver and the image of deploy/Containerfile.
# The clients need /dev/kvm and a group kvm that may open it.
variable "image" {
  type    = string
  default = "registry.example/zeroboot:latest"
}

job "zeroboot" {
  datacenters = ["*"]
  type        = "service"

  constraint {
    attribute = "${attr.cpu.arch}"
    value     = "amd64"
  }

  # One after the other; a version that does not become healthy is taken back.
  update {
    max_parallel     = 1
    health_check     = "checks"
    min_healthy_time = "5s"
    healthy_deadline = "3m"
    auto_revert      = true
  }

  group "zeroboot" {
    count = 3

    spread {
      attribute = "${node.unique.id}"
    }

    network {
      port "http" {
        to = 8080
      }
    }

    service {
      name     = "zeroboot"
      port     = "http"
      provider = "nomad"

      check {
        type     = "http"
        path     = "/v1/health"
        interval = "2s"
        timeout  = "2s"
      }
    }

    task "zeroboot" {
      driver = "docker"
      user   = "65532:65532"

      # Out of the service first, then SIGTERM: a second in which all is still
      # answered, and --drain-seconds for what runs.
      shutdown_delay = "5s"
      kill_timeout   = "50s"

      config {
        image           = var.image
        args            = ["serve", "--listen", ":8080", "--drain-seconds", "40"]
        ports           = ["http"]
        readonly_rootfs = true
        cap_drop        = ["all"]
        security_opt    = ["no-new-privileges"]
        group_add       = ["kvm"]

        devices = [
          {
            host_path      = "/dev/kvm"
            container_path = "/dev/kvm"
          }
        ]

        mount {
          type   = "tmpfs"
          target = "/var/cache/zeroboot"
        }
      }

      env {
        ZEROBOOT_API_KEYS_FILE = "${NOMAD_SECRETS_DIR}/api_keys.json"
        CACHE_DIRECTORY        = "/var/cache/zeroboot"
      }

      # A JSON array of keys, which `nomad var put nomad/jobs/zeroboot keys='["..."]'`
      # has put there; a change is read without a restart.
      template {
        destination   = "secrets/api_keys.json"
        change_mode   = "signal"
        change_signal = "SIGHUP"
        data          = "{{ with nomadVar \"nomad/jobs/zeroboot\" }}{{ .keys }}{{ end }}"
      }

      resources {
        cpu    = 2000
        memory = 4096
      }
    }
  }
}
